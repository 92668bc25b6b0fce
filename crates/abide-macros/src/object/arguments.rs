//! The types that hold the arguments of each method.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Ident, LitStr};

use super::{Block, method::Method, parameter::Fallback, role::Role};

impl Block {
    /// The arguments' type of a method and how it is encoded.
    pub(super) fn arguments(&self, method: &Method) -> TokenStream {
        match method.role {
            Role::Handler { .. } if method.parameters.iter().all(|p| p.optional()) => self.optional(method),
            Role::Handler { .. } => self.named(method),
            Role::Alarm | Role::Hook(_) if method.parameters.is_empty() => self.ignored(method),
            Role::Alarm | Role::Hook(_) => self.payload(method),
        }
    }

    /// A struct of named arguments, at least one of them required.
    fn named(&self, method: &Method) -> TokenStream {
        let name = self.arguments_name(method);
        let (defaults, conditions) = (self.defaults(method), &method.conditions);
        let fields = self.fields(method);
        let derive = self.derive(&quote!(deny_unknown_fields));
        quote! {
            #defaults
            #(#conditions)*
            #derive
            pub struct #name { #fields }
        }
    }

    /// A struct of named arguments that can all be left out, and then `null` will do.
    fn optional(&self, method: &Method) -> TokenStream {
        let Self { private, .. } = self;
        let name = self.arguments_name(method);
        let named = format_ident!("__Named{name}");
        let (defaults, conditions) = (self.defaults(method), &method.conditions);
        let serde = path_text(&quote!(#private::serde));
        let from = LitStr::new(&format!("::core::option::Option<{named}>"), name.span());
        let derive = self.derive(&quote!(from = #from));
        let fields = self.fields(method);
        let (idents, types): (Vec<_>, Vec<_>) = method.parameters.iter().map(|p| (&p.ident, &p.ty)).unzip();
        let missing = (0..).zip(&method.parameters).map(|(index, parameter)| match parameter.fallback {
            Fallback::Value(_) => {
                let function = default_name(&name, index);
                quote!(#function())
            }
            Fallback::None | Fallback::Default => parameter.default(),
        });
        quote! {
            #defaults
            #(#conditions)*
            #derive
            pub struct #name { #(#idents: #types),* }
            #(#conditions)*
            #[allow(non_camel_case_types)]
            #[derive(#private::serde::Deserialize)]
            #[serde(crate = #serde, rename = "arguments", deny_unknown_fields)]
            struct #named { #fields }
            #(#conditions)*
            #[automatically_derived]
            impl ::core::convert::From<::core::option::Option<#named>> for #name {
                fn from(given: ::core::option::Option<#named>) -> Self {
                    match given {
                        ::core::option::Option::Some(given) => Self { #(#idents: given.#idents),* },
                        ::core::option::Option::None => Self { #(#idents: #missing),* },
                    }
                }
            }
        }
    }

    /// A payload: the whole value.
    fn payload(&self, method: &Method) -> TokenStream {
        let name = self.arguments_name(method);
        let conditions = &method.conditions;
        let derive = self.derive(&quote!(transparent));
        let fields = method.parameters.iter().map(|parameter| {
            let (ident, ty) = (&parameter.ident, &parameter.ty);
            quote!(#ident: #ty)
        });
        quote! {
            #(#conditions)*
            #derive
            pub struct #name { #(#fields),* }
        }
    }

    /// No payload: whatever is given is ignored.
    fn ignored(&self, method: &Method) -> TokenStream {
        let Self { private, .. } = self;
        let name = self.arguments_name(method);
        let conditions = &method.conditions;
        quote! {
            #(#conditions)*
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            pub struct #name {}
            #(#conditions)*
            #[automatically_derived]
            impl #private::serde::Serialize for #name {
                fn serialize<S: #private::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    serializer.serialize_unit()
                }
            }
            #(#conditions)*
            #[automatically_derived]
            impl<'de> #private::serde::Deserialize<'de> for #name {
                fn deserialize<D: #private::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    <#private::serde::de::IgnoredAny as #private::serde::Deserialize>::deserialize(deserializer)?;
                    ::core::result::Result::Ok(Self {})
                }
            }
        }
    }

    fn derive(&self, how: &TokenStream) -> TokenStream {
        let Self { private, .. } = self;
        let serde = path_text(&quote!(#private::serde));
        quote! {
            #[doc(hidden)]
            #[allow(non_camel_case_types, private_interfaces)]
            #[derive(#private::serde::Serialize, #private::serde::Deserialize)]
            #[serde(crate = #serde, rename = "arguments", #how)]
        }
    }

    fn fields(&self, method: &Method) -> TokenStream {
        let name = self.arguments_name(method);
        let fields = (0..).zip(&method.parameters).map(|(index, parameter)| {
            let (ident, ty) = (&parameter.ident, &parameter.ty);
            let missing = match &parameter.fallback {
                Fallback::None => TokenStream::new(),
                Fallback::Default => quote!(#[serde(default)]),
                Fallback::Value(_) => {
                    let function = default_name(&name, index).to_string();
                    quote!(#[serde(default = #function)])
                }
            };
            quote!(#missing #ident: #ty)
        });
        quote!(#(#fields),*)
    }

    /// A function for each `#[arg(default = …)]`.
    fn defaults(&self, method: &Method) -> TokenStream {
        let name = self.arguments_name(method);
        let conditions = &method.conditions;
        let functions = (0..).zip(&method.parameters).filter_map(|(index, parameter)| {
            let Fallback::Value(value) = &parameter.fallback else {
                return None;
            };
            let (function, ty) = (default_name(&name, index), &parameter.ty);
            Some(quote! {
                #(#conditions)*
                #[allow(non_snake_case)]
                fn #function() -> #ty { #value }
            })
        });
        quote!(#(#functions)*)
    }
}

fn default_name(arguments: &Ident, index: usize) -> Ident {
    format_ident!("__default{index}{arguments}")
}

/// A path as serde wants it: a text.
fn path_text(path: &TokenStream) -> String {
    path.to_string().replace(' ', "")
}
