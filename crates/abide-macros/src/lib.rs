//! The macros of Abide: `#[derive(State)]` for what an object is, `#[object]` for what it does.
//!
//! Use them through the `abide` crate, whose documentation shows them at work. Every mistake is a
//! compile error at the tokens that hold it and says what to write instead; all the mistakes of one
//! block are reported at once.

use proc_macro::TokenStream;

mod duration;
mod index;
mod mistakes;
mod nearest;
mod object;
mod state;
#[cfg(test)]
mod tests;
mod types;

/// Makes a struct the state of an object: its fields are stored, compared and sent one by one.
///
/// The struct also needs `Default`: an object that was never changed has the default state.
///
/// | on a field | does |
/// |---|---|
/// | `#[state(rename = "name")]` | stores it under another name |
/// | `#[state(alias = "old")]` | also reads it under an older name |
/// | `#[state(skip)]` | does not store it: it has its default when the object comes into memory |
/// | `#[index]` | lists that filter or are ordered by it read only what they need |
#[proc_macro_derive(State, attributes(state, index))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    state::expand(input.into()).into()
}

/// Makes a type an object: the methods marked `#[handler]` can be called, also by name and over the
/// network, and a typed handle `NameRef` has a method for each.
///
/// | option | means |
/// |---|---|
/// | `name = "Counter"` | the kind; by default the type's name |
/// | `hibernate_after = "5m"`, `shutdown_after = "1h"` | when an idle object leaves memory; or `"never"` |
/// | `history = 1000` | how many changes stay readable; or `"7d"`, `"all"`, `"none"` |
/// | `durability = "commit"` | answers leave when durable; or `"behind:100ms"`, `"volatile"` |
/// | `version = 2`, `migrate = path` | the state's schema version, and what brings older ones up to it |
/// | `stateless` | every call gets a fresh value, many at a time |
/// | `autoload = ["a", "b"]` | ids that are activated when the node starts |
/// | `mailbox = 1000` | how many calls may wait for one object |
/// | `reentrant` | its `&self` handlers may run while the object waits for a call that led to them |
#[proc_macro_attribute]
pub fn object(options: TokenStream, item: TokenStream) -> TokenStream {
    object::expand(options.into(), &item.into()).into()
}

/// Marks a method of an `#[object]` block that callers can call. `#[handler(reentrant)]` lets a
/// `&self` handler run while the object waits for a call that led to it.
#[proc_macro_attribute]
pub fn handler(_options: TokenStream, item: TokenStream) -> TokenStream {
    object::misplaced("handler", &item.into()).into()
}

/// Marks a method of an `#[object]` block that runs when the alarm of its name is due.
#[proc_macro_attribute]
pub fn alarm(_options: TokenStream, item: TokenStream) -> TokenStream {
    object::misplaced("alarm", &item.into()).into()
}

/// Marks a method of an `#[object]` block that runs at a point of the object's life: `on_create`,
/// `on_activate`, `on_deactivate` or `on_delete`, and in a block of sessions `on_connect` or `on_disconnect`.
#[proc_macro_attribute]
pub fn hook(_options: TokenStream, item: TokenStream) -> TokenStream {
    object::misplaced("hook", &item.into()).into()
}
