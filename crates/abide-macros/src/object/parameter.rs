//! The parameters of a method: the context, and the arguments that callers give.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, FnArg, Ident, Meta, Pat, PatType, Signature, Type, TypeReference};

use super::role::Role;
use crate::{mistakes::Mistakes, nearest, types};

/// That a method takes the context, and how.
pub(super) struct ContextParameter {
    /// Whether as `&mut Context`.
    pub(super) mutable: bool,
    /// Its type, for the place of errors.
    pub(super) ty: Type,
}

/// An argument that callers give.
pub(super) struct Parameter {
    pub(super) ident: Ident,
    /// Its type, without `Self`.
    pub(super) ty: Type,
    pub(super) fallback: Fallback,
}

/// What a missing argument is.
pub(super) enum Fallback {
    /// An error.
    None,
    /// The type's default: `#[arg(default)]`, or an `Option`.
    Default,
    /// `#[arg(default = …)]`.
    Value(Expr),
}

impl Parameter {
    /// Its name as callers write it.
    pub(super) fn name(&self) -> String {
        types::unraw(&self.ident)
    }

    /// Whether it may be left out.
    pub(super) fn optional(&self) -> bool {
        !matches!(self.fallback, Fallback::None)
    }

    /// The value of a missing argument.
    pub(super) fn default(&self) -> TokenStream {
        match &self.fallback {
            Fallback::Value(value) => quote!(#value),
            Fallback::None | Fallback::Default => quote!(::core::default::Default::default()),
        }
    }
}

/// Reads the parameters after `self`, and takes `#[arg]` off them.
pub(super) fn read(
    signature: &mut Signature,
    role: Role,
    exclusive: Option<bool>,
    object: &Type,
    mistakes: &mut Mistakes,
) -> (Option<ContextParameter>, Vec<Parameter>) {
    let mut context = None;
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut position = 0;
    for input in &mut signature.inputs {
        let FnArg::Typed(input) = input else { continue };
        let arg = take_arg(&mut input.attrs);
        if is_context(&input.ty) {
            refuse_arg(arg.as_ref(), mistakes);
            let read = read_context(input, position, exclusive, mistakes);
            context = context.or(read);
        } else {
            check_count(input, role, parameters.len(), mistakes);
            parameters.extend(read_parameter(input, arg.as_ref(), role, object, mistakes));
        }
        position += 1;
    }
    (context, parameters)
}

/// Whether the type is the context, in whatever way it is passed.
fn is_context(ty: &Type) -> bool {
    match types::plain(ty) {
        Type::Reference(reference) => types::is_named(&reference.elem, "Context"),
        ty => types::is_named(ty, "Context"),
    }
}

fn read_context(
    input: &PatType,
    position: usize,
    exclusive: Option<bool>,
    mistakes: &mut Mistakes,
) -> Option<ContextParameter> {
    let right = if exclusive == Some(false) { "&Context" } else { "&mut Context" };
    let Type::Reference(TypeReference { mutability, lifetime, .. }) = types::plain(&input.ty) else {
        mistakes.add(&input.ty, format!("the context is borrowed for the turn: write `{right}`"));
        return None;
    };
    let mutable = mutability.is_some();
    if position > 0 {
        mistakes.add(input, "the context comes first: write it directly after `self`, and once");
    }
    if let Some(lifetime) = lifetime {
        mistakes.add(lifetime, format!("the context is borrowed for the turn alone: write `{right}`"));
    }
    if mutable && exclusive == Some(false) {
        mistakes.add(
            &input.ty,
            "a handler that takes `&self` only reads, so that many can run at once: write `&Context`, or `&mut self` if it sends, emits or sets alarms",
        );
    }
    Some(ContextParameter { mutable, ty: (*input.ty).clone() })
}

fn check_count(input: &PatType, role: Role, before: usize, mistakes: &mut Mistakes) {
    let text = match role {
        Role::Alarm if before == 1 => {
            "an alarm carries one payload: put both values into a struct or a tuple, and take that"
        }
        Role::Hook(_) if before == 0 => {
            "a hook has no arguments but the context: remove this, and read what is needed from `self`"
        }
        _ => return,
    };
    mistakes.add(input, text);
}

fn read_parameter(
    input: &PatType,
    arg: Option<&Attribute>,
    role: Role,
    object: &Type,
    mistakes: &mut Mistakes,
) -> Option<Parameter> {
    let ident = name_of(&input.pat, mistakes);
    if let Some(unowned) = types::unowned(&input.ty) {
        let instead = unowned.instead.map_or("write an owned type".into(), |owned| format!("write `{owned}`"));
        mistakes.add(
            unowned.at,
            format!("an argument is sent to the object and belongs to it, but {}: {instead}", unowned.what),
        );
    }
    let fallback = match arg {
        Some(arg) if matches!(role, Role::Handler { .. }) => mistakes.keep(read_arg(arg))?,
        Some(arg) => {
            mistakes
                .add(arg, format!("{} has no arguments to leave out: remove this, or take an `Option`", role.noun()));
            Fallback::None
        }
        None if types::is_named(&input.ty, "Option") => Fallback::Default,
        None => Fallback::None,
    };
    Some(Parameter { ident: ident?, ty: types::without_self(&input.ty, object), fallback })
}

fn name_of(pattern: &Pat, mistakes: &mut Mistakes) -> Option<Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Some(name.ident.clone()),
        pattern => {
            mistakes.add(
                pattern,
                "callers give arguments by name: write a name here, and take the value apart in the body",
            );
            None
        }
    }
}

fn take_arg(attributes: &mut Vec<Attribute>) -> Option<Attribute> {
    let place = attributes.iter().position(|attribute| attribute.path().is_ident("arg"))?;
    Some(attributes.remove(place))
}

fn refuse_arg(arg: Option<&Attribute>, mistakes: &mut Mistakes) {
    if let Some(arg) = arg {
        mistakes.add(arg, "the context is given by the node: remove `#[arg]`");
    }
}

fn read_arg(arg: &Attribute) -> syn::Result<Fallback> {
    const WRITE: &str = "write `#[arg(default = 1)]`, or `#[arg(default)]` for the type's own default";
    if !matches!(arg.meta, Meta::List(_)) {
        return Err(syn::Error::new_spanned(&arg.meta, format!("`#[arg]` says what a missing argument is: {WRITE}")));
    }
    let mut fallback = Fallback::None;
    arg.parse_nested_meta(|meta| {
        if !meta.path.is_ident("default") {
            let name = types::text(&meta.path);
            let advice = nearest::advice(&name, &["default"]);
            return Err(meta.error(format!("`{name}` is not an option of an argument: {advice}")));
        }
        fallback =
            if meta.input.peek(syn::Token![=]) { Fallback::Value(meta.value()?.parse()?) } else { Fallback::Default };
        Ok(())
    })?;
    if matches!(fallback, Fallback::None) {
        return Err(syn::Error::new_spanned(arg.to_token_stream(), format!("`#[arg()]` says nothing: {WRITE}")));
    }
    Ok(fallback)
}
