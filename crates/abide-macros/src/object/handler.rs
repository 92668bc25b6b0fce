//! `impl Handler` for the arguments of each method.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{Block, method::Method, role::Role};
use crate::types;

impl Block {
    /// How a method is run and described.
    pub(super) fn handler(&self, method: &Method) -> TokenStream {
        let Self { object, private, .. } = self;
        let Method { name, conditions, description, .. } = method;
        let arguments = self.arguments_name(method);
        let access = if method.exclusive { quote!(Exclusive) } else { quote!(Shared) };
        let sync = !method.asynchronous;
        let reentrant = self.is_reentrant(method);
        let output = self.output(method);
        let run = self.run(method);
        let parameters = self.parameters(method);
        quote! {
            #(#conditions)*
            #[automatically_derived]
            #[allow(private_interfaces)]
            impl #private::Handler<#object> for #arguments {
                const NAME: &'static str = #name;
                const ACCESS: #private::Access = #private::Access::#access;
                const SYNC: bool = #sync;
                const REENTRANT: bool = #reentrant;
                type Output = #output;

                #run

                fn parameters() -> ::std::vec::Vec<#private::Parameter> {
                    ::std::vec![#parameters]
                }

                fn description() -> &'static str {
                    #description
                }
            }
        }
    }

    fn is_reentrant(&self, method: &Method) -> bool {
        match method.role {
            Role::Handler { reentrant } => !method.exclusive && (reentrant || self.options.reentrant),
            Role::Alarm | Role::Hook(_) => false,
        }
    }

    fn output(&self, method: &Method) -> TokenStream {
        let Self { private, .. } = self;
        match &method.output {
            None => quote!(()),
            Some(ty) if types::is_result(ty) => {
                let span = place(ty);
                quote_spanned!(span=> <#ty as #private::Fallible>::Output)
            }
            Some(ty) => quote!(#ty),
        }
    }

    fn run(&self, method: &Method) -> TokenStream {
        let Self { object, private, .. } = self;
        let borrow = if method.exclusive { quote!(exclusive) } else { quote!(shared) };
        let call = self.call(method);
        let run = if method.asynchronous {
            let span = place(&method.ident);
            let future = quote_spanned!(span=> ::std::boxed::Box::pin(async move { #call }));
            quote!(#private::Running::Waiting(#future))
        } else {
            quote!(#private::Running::Done(#call))
        };
        quote! {
            #[allow(unused_imports, unused_variables, deprecated, clippy::all, clippy::pedantic)]
            fn run<'a>(
                self,
                object: #private::Borrowed<'a, #object>,
                ctx: &'a mut #private::Context,
            ) -> #private::Running<'a, Self::Output> {
                let object = object.#borrow();
                #run
            }
        }
    }

    /// The call of the method itself, as a `Result` with Abide's error.
    fn call(&self, method: &Method) -> TokenStream {
        let Self { object, private, .. } = self;
        let ident = &method.ident;
        let context = method.context.as_ref().map(|context| {
            let span = place(&context.ty);
            if context.mutable { quote_spanned!(span=> &mut *ctx,) } else { quote_spanned!(span=> &*ctx,) }
        });
        let values = method.parameters.iter().map(|parameter| {
            let ident = &parameter.ident;
            quote!(self.#ident)
        });
        let wait = method.asynchronous.then(|| quote!(.await));
        let answer = quote!(<#object>::#ident(object, #context #(#values),*) #wait);
        match &method.output {
            Some(ty) if types::is_result(ty) => {
                let span = place(ty);
                quote_spanned! {span=>
                    match #answer {
                        ::core::result::Result::Ok(value) => ::core::result::Result::Ok(value),
                        ::core::result::Result::Err(error) => {
                            use #private::{RejectionWithData as _, RejectionWithText as _};
                            ::core::result::Result::Err(#private::Rejection(error).into_error())
                        }
                    }
                }
            }
            _ => quote!(::core::result::Result::Ok(#answer)),
        }
    }

    fn parameters(&self, method: &Method) -> TokenStream {
        let Self { private, .. } = self;
        let parameters = method.parameters.iter().map(|parameter| {
            let (name, ty, optional) = (parameter.name(), &parameter.ty, parameter.optional());
            let span = place(ty);
            quote_spanned!(span=> #private::Parameter::of::<#ty>(#name, #optional))
        });
        quote!(#(#parameters),*)
    }
}

/// Where an error about generated code is shown: at the user's tokens.
fn place(tokens: &(impl Spanned + ?Sized)) -> Span {
    tokens.span().resolved_at(Span::call_site())
}
