//! The typed handle: `CounterRef` for `Counter`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Block, role::Role};

impl Block {
    /// The struct and what makes it a handle.
    ///
    /// It is `pub` and names the object as a type parameter with a default: so it is as visible as
    /// the object is, which a macro on the impl block cannot see. The parameter has a name that no object
    /// has, for it would hide the object.
    pub(super) fn reference(&self) -> TokenStream {
        let Self { object, private, name, .. } = self;
        let reference = self.reference_name();
        let docs = format!("The handle of a `{name}`, with a method for each of its handlers.");
        quote! {
            #[doc = #docs]
            #[allow(private_interfaces, unreachable_pub, unnameable_types)]
            pub struct #reference<__Object: #private::Object = #object>(#private::Handle<__Object>);

            #[automatically_derived]
            impl<__Object: #private::Object> ::core::clone::Clone for #reference<__Object> {
                fn clone(&self) -> Self {
                    Self(::core::clone::Clone::clone(&self.0))
                }
            }

            #[automatically_derived]
            impl<__Object: #private::Object> ::core::fmt::Debug for #reference<__Object> {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Debug::fmt(&self.0, f)
                }
            }

            #[automatically_derived]
            impl<__Object: #private::Object> ::core::convert::From<#private::Handle<__Object>> for #reference<__Object> {
                fn from(handle: #private::Handle<__Object>) -> Self {
                    Self(handle)
                }
            }

            #[automatically_derived]
            impl<__Object: #private::Object> ::core::ops::Deref for #reference<__Object> {
                type Target = #private::Handle<__Object>;

                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }
        }
    }

    /// A method for each handler.
    pub(super) fn calls(&self) -> TokenStream {
        let Self { object, private, .. } = self;
        let reference = self.reference_name();
        let handlers = self.methods.iter().filter(|method| matches!(method.role, Role::Handler { .. }));
        let calls = handlers.map(|method| {
            let arguments = self.arguments_name(method);
            let (ident, conditions, docs) = (&method.ident, &method.conditions, &method.docs);
            let undocumented = docs.is_empty().then(|| {
                let text = format!("Calls `{}`.", method.name);
                quote!(#[doc = #text])
            });
            let (names, types): (Vec<_>, Vec<_>) = method.parameters.iter().map(|p| (&p.ident, &p.ty)).unzip();
            quote! {
                #(#conditions)*
                #(#docs)*
                #undocumented
                pub fn #ident(&self #(, #names: #types)*) -> #private::Call<#object, #arguments> {
                    self.0.invoke(#arguments { #(#names),* })
                }
            }
        });
        quote! {
            #[allow(
                dead_code,
                private_interfaces,
                clippy::should_implement_trait,
                clippy::too_many_arguments,
                clippy::wrong_self_convention,
            )]
            impl #reference<#object> {
                #(#calls)*
            }
        }
    }
}
