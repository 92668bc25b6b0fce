//! What a method is to the node: a handler, an alarm or a hook.

use syn::{Attribute, ImplItemFn, Meta};

use crate::{mistakes::Mistakes, nearest, types};

/// The hooks: the method's name and the variant of `Hook`.
pub(super) const HOOKS: [(&str, &str); 6] = [
    ("on_create", "Create"),
    ("on_activate", "Activate"),
    ("on_deactivate", "Deactivate"),
    ("on_delete", "Delete"),
    ("on_connect", "Connect"),
    ("on_disconnect", "Disconnect"),
];

/// The hooks of sessions.
pub(super) const SESSION_HOOKS: [&str; 2] = ["on_connect", "on_disconnect"];

const ROLES: [&str; 3] = ["handler", "alarm", "hook"];

/// What a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Callers call it.
    Handler {
        /// Whether it may run while the object waits for a call that led to it.
        reentrant: bool,
    },
    /// The alarm of its name runs it.
    Alarm,
    /// It runs at a point of the object's life, the variant of `Hook`.
    Hook(&'static str),
}

impl Role {
    /// Takes the attributes that give a role off the method; `None` if it has no usable one.
    pub(super) fn take(function: &mut ImplItemFn, mistakes: &mut Mistakes) -> Option<Self> {
        let mut marks = Vec::new();
        function.attrs.retain(|attribute| {
            let mark = role_name(attribute);
            marks.extend(mark.map(|name| (name, attribute.clone())));
            mark.is_none()
        });
        let mut marks = marks.into_iter();
        let (name, attribute) = marks.next()?;
        // Arguments come by value: they are moved to the object, or decoded for it.
        function.attrs.push(syn::parse_quote!(#[allow(clippy::needless_pass_by_value)]));
        for (other, attribute) in marks {
            mistakes.add(
                &attribute,
                format!(
                    "a method is one thing: it has `#[{name}]` already, so remove `#[{other}]` or write a second method"
                ),
            );
        }
        Some(match name {
            "handler" => Self::Handler { reentrant: read_reentrant(&attribute, mistakes) },
            "alarm" => {
                refuse_options(&attribute, "alarm", mistakes);
                Self::Alarm
            }
            _ => {
                refuse_options(&attribute, "hook", mistakes);
                Self::Hook(hook_of(function, mistakes)?)
            }
        })
    }

    /// The word for it in errors, with its article.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Handler { .. } => "a handler",
            Self::Alarm => "an alarm",
            Self::Hook(_) => "a hook",
        }
    }
}

/// `handler` of `#[handler]` and of `#[abide::handler]`.
fn role_name(attribute: &Attribute) -> Option<&'static str> {
    let path = attribute.path();
    let ours = path.segments.len() == 1 || path.segments.first().is_some_and(|first| first.ident == "abide");
    let last = path.segments.last()?;
    ROLES.into_iter().find(|name| ours && last.ident == name)
}

fn read_reentrant(attribute: &Attribute, mistakes: &mut Mistakes) -> bool {
    let mut reentrant = false;
    if let Meta::Path(_) = attribute.meta {
        return reentrant;
    }
    let read = attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("reentrant") {
            let name = types::text(&meta.path);
            let advice = nearest::advice(&name, &["reentrant"]);
            return Err(meta.error(format!("`{name}` is not an option of a handler: {advice}")));
        }
        reentrant = true;
        Ok(())
    });
    mistakes.keep(read);
    reentrant
}

fn refuse_options(attribute: &Attribute, name: &str, mistakes: &mut Mistakes) {
    if !matches!(attribute.meta, Meta::Path(_)) {
        mistakes.add(&attribute.meta, format!("`#[{name}]` has no options: write `#[{name}]`"));
    }
}

fn hook_of(function: &ImplItemFn, mistakes: &mut Mistakes) -> Option<&'static str> {
    let name = types::unraw(&function.sig.ident);
    if let Some((_, hook)) = HOOKS.iter().find(|(hook, _)| *hook == name) {
        return Some(hook);
    }
    let advice = nearest::advice(&name, &HOOKS.map(|(hook, _)| hook));
    mistakes.add(&function.sig.ident, format!("`{name}` is not a hook: {advice}"));
    None
}
