//! How the value of one option is read, or what to write instead.

use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path};

use crate::types;

pub(super) fn wrong(at: impl ToTokens, text: impl std::fmt::Display) -> syn::Error {
    syn::Error::new_spanned(at, text)
}

/// The expression after `=`.
pub(super) fn value<'a>(option: &'a Meta, write: &str) -> syn::Result<&'a Expr> {
    match option {
        Meta::NameValue(pair) => Ok(&pair.value),
        other => Err(wrong(other, format!("`{}` needs a value: write `{write}`", types::text(other.path())))),
    }
}

pub(super) fn flag(option: &Meta) -> syn::Result<bool> {
    match option {
        Meta::Path(_) => Ok(true),
        other => {
            let name = types::text(other.path());
            Err(wrong(other, format!("`{name}` has no value: write `{name}` alone, or leave it out")))
        }
    }
}

pub(super) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

pub(super) fn text(option: &Meta, write: &str) -> syn::Result<LitStr> {
    let value = value(option, write)?;
    match literal(value) {
        Some(Lit::Str(text)) => Ok(text.clone()),
        _ => Err(wrong(value, format!("this is a text in quotes: write `{write}`"))),
    }
}

pub(super) fn integer<N: std::str::FromStr>(number: &LitInt, write: &str) -> syn::Result<N> {
    match number.base10_digits().parse() {
        Ok(value) if number.suffix().is_empty() && number.base10_digits() != "0" => Ok(value),
        _ => Err(wrong(number, format!("this is a whole number from 1: write `{write}`"))),
    }
}

pub(super) fn number<N: std::str::FromStr>(option: &Meta, write: &str) -> syn::Result<N> {
    let value = value(option, write)?;
    match literal(value) {
        Some(Lit::Int(number)) => integer(number, write),
        _ => Err(wrong(value, format!("this is a whole number from 1: write `{write}`"))),
    }
}

pub(super) fn path(option: &Meta, write: &str) -> syn::Result<Path> {
    let value = value(option, write)?;
    match value {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
        other => Err(wrong(other, format!("this is a path: write `{write}`"))),
    }
}
