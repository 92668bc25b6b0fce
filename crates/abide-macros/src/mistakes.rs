//! All the mistakes of one macro call, so that they are reported in one go.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    /// Adds one at the given tokens; the text says what to write instead.
    pub(crate) fn add(&mut self, at: impl ToTokens, text: impl Display) {
        self.join(Error::new_spanned(at, text));
    }

    /// Adds one that is an error already.
    pub(crate) fn join(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Takes the value, or adds why there is none.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.join(error)).ok()
    }

    /// Them all as one error, if there are any.
    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }

    /// The `compile_error!` of each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(Error::into_compile_error).unwrap_or_default()
    }
}
