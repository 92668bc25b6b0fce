//! `impl Object`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{Block, role::Role};
use crate::types;

impl Block {
    /// The kind's name, options and everything that can run.
    pub(super) fn definition(&self) -> TokenStream {
        let Self { object, private, description, .. } = self;
        let kind = self.options.name.clone().unwrap_or_else(|| types::unraw(&self.name));
        let reference = self.reference_name();
        let options = self.options.generate();
        let methods = self.methods.iter().map(|method| {
            let (arguments, conditions) = (self.arguments_name(method), &method.conditions);
            let add = match method.role {
                Role::Handler { .. } => quote!(handler::<#arguments>()),
                Role::Alarm => quote!(alarm::<#arguments>()),
                Role::Hook(hook) => {
                    let hook = format_ident!("{hook}");
                    quote!(hook::<#arguments>(#private::Hook::#hook))
                }
            };
            quote! {
                #(#conditions)*
                let definition = definition.#add;
            }
        });
        let migrate =
            self.options.migrate.as_ref().map(|function| quote!(let definition = definition.migrate(#function);));
        quote! {
            #[automatically_derived]
            impl #private::Object for #object {
                const KIND: &'static str = #kind;
                type Ref = #reference<#object>;

                #[allow(clippy::all, clippy::pedantic)]
                fn definition() -> #private::Definition<Self> {
                    let definition = #private::Definition::new(#options);
                    #(#methods)*
                    #migrate
                    definition.description(#description)
                }
            }
        }
    }
}
