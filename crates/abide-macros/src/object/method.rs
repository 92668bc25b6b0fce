//! A method with a role, checked.

use syn::{
    Attribute, Expr, ExprLit, Ident, ImplItemFn, Lit, Meta, Receiver, ReceiverKind, ReturnType, Safety, Signature, Type,
};

use super::{
    parameter::{self, ContextParameter, Parameter},
    role::{HOOKS, Role},
};
use crate::{mistakes::Mistakes, types};

/// A method that the node runs.
pub(super) struct Method {
    pub(super) role: Role,
    pub(super) ident: Ident,
    /// Its name as callers write it.
    pub(super) name: String,
    /// Whether it takes `&mut self`.
    pub(super) exclusive: bool,
    pub(super) asynchronous: bool,
    pub(super) context: Option<ContextParameter>,
    pub(super) parameters: Vec<Parameter>,
    /// What it returns; `None` for nothing.
    pub(super) output: Option<Type>,
    /// Its `#[cfg(…)]` attributes.
    pub(super) conditions: Vec<Attribute>,
    /// Its documentation and deprecation.
    pub(super) docs: Vec<Attribute>,
    /// The first paragraph of its documentation.
    pub(super) description: String,
}

impl Method {
    /// Reads a method and takes the attributes off its parameters. `None` if it cannot be used.
    pub(super) fn read(function: &mut ImplItemFn, role: Role, object: &Type, mistakes: &mut Mistakes) -> Option<Self> {
        let mut own = Mistakes::default();
        let exclusive = receiver(&function.sig, role, &mut own);
        check_name(&function.sig, role, &mut own);
        check_signature(&function.sig, role, &mut own);
        let (context, parameters) = parameter::read(&mut function.sig, role, exclusive, object, &mut own);
        let output = output(&function.sig, object, &mut own);
        if let Err(error) = own.into_result() {
            mistakes.join(error);
            return None;
        }
        let with_name = |names: &[&str]| {
            let named = |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
            function.attrs.iter().filter(named).cloned().collect()
        };
        Some(Self {
            role,
            ident: function.sig.ident.clone(),
            name: types::unraw(&function.sig.ident),
            exclusive: exclusive?,
            asynchronous: function.sig.asyncness.is_some(),
            context,
            parameters,
            output,
            conditions: with_name(&["cfg"]),
            docs: with_name(&["doc", "deprecated"]),
            description: description(&function.attrs),
        })
    }
}

/// Whether the method takes `&mut self`; `None` if it takes the object in no usable way.
fn receiver(signature: &Signature, role: Role, mistakes: &mut Mistakes) -> Option<bool> {
    let noun = role.noun();
    let Some(receiver) = signature.receiver() else {
        mistakes.add(
            &signature.ident,
            format!(
                "{noun} works on an object: write `&mut self` as its first parameter to change the object{}",
                or_read(role)
            ),
        );
        return None;
    };
    let Receiver { kind: ReceiverKind::Reference(_, lifetime, mutability), .. } = receiver else {
        mistakes.add(
            receiver,
            format!(
                "{noun} borrows the object, which stays where it is: write `&mut self` to change it{}",
                or_read(role)
            ),
        );
        return None;
    };
    if let Some(lifetime) = lifetime {
        mistakes.add(lifetime, "the lifetime is always that of the turn: write `self` without one");
    }
    let exclusive = mutability.is_some();
    match role {
        Role::Handler { reentrant: true } if exclusive => mistakes.add(
            receiver,
            "a reentrant handler reads: while the outer turn waits it holds `&mut self`, so write `&self` (the handler sees the state as it was before that turn) or remove `reentrant`",
        ),
        Role::Alarm if !exclusive => {
            mistakes.add(receiver, "an alarm runs alone, in a turn of its own: write `&mut self`");
        }
        Role::Hook(_) if !exclusive => {
            mistakes.add(receiver, "a hook runs alone, as a part of a turn: write `&mut self`");
        }
        _ => {}
    }
    Some(exclusive)
}

fn or_read(role: Role) -> &'static str {
    match role {
        Role::Handler { .. } => ", or `&self` to read it",
        Role::Alarm | Role::Hook(_) => "",
    }
}

fn check_name(signature: &Signature, role: Role, mistakes: &mut Mistakes) {
    let name = types::unraw(&signature.ident);
    if matches!(role, Role::Hook(_)) {
        return;
    }
    if HOOKS.iter().any(|(hook, _)| *hook == name) {
        mistakes.add(&signature.ident, format!("`{name}` is the name of a hook: mark it `#[hook]`, or rename it"));
    }
    if name == "invoke" {
        mistakes.add(&signature.ident, "`invoke` is how the handle makes every call: give the handler another name");
    }
}

fn check_signature(signature: &Signature, role: Role, mistakes: &mut Mistakes) {
    let noun = role.noun();
    if !signature.generics.params.is_empty() {
        mistakes.add(
            &signature.generics,
            format!("{noun} has no generics or lifetimes, for whoever calls it by name could not choose them: write concrete, owned types"),
        );
    } else if let Some(clause) = &signature.generics.where_clause {
        mistakes.add(clause, format!("{noun} has no `where` clause: write concrete types"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.add(token, format!("{noun} can be called by anybody, so it cannot be `unsafe`"));
    }
    if let Some(dots) = &signature.variadic {
        mistakes.add(dots, format!("{noun} has a fixed list of parameters: write `Vec<T>` for many values"));
    }
}

fn output(signature: &Signature, object: &Type, mistakes: &mut Mistakes) -> Option<Type> {
    let ReturnType::Type(_, ty) = &signature.output else {
        return None;
    };
    if let Type::ImplTrait(implemented) = types::plain(ty) {
        let text = types::text(implemented);
        mistakes.add(
            ty,
            if text.contains("Future") {
                "the answer is sent to the caller, and a future cannot be: write `async fn` with the type that it yields".into()
            } else {
                format!("the answer is sent to the caller, so its type must be known: write a concrete type instead of `{text}`")
            },
        );
    } else if let Some(unowned) = types::unowned(ty) {
        let instead = unowned.instead.map_or("write an owned type".into(), |owned| format!("write `{owned}`"));
        mistakes.add(unowned.at, format!("the answer is sent to the caller, and {}: {instead}", unowned.what));
    }
    Some(types::without_self(ty, object))
}

/// The first paragraph of a doc comment.
pub(super) fn description(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let lines = text.lines().map(str::trim);
    let paragraph = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    paragraph.collect::<Vec<_>>().join(" ")
}
