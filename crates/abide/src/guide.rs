//! The README and the guides: every Rust snippet in them is compiled, and run unless it says `no_run`.
//!
//! The files are not part of the published crate, so this module exists for doctests alone.

#[doc = include_str!("../../../README.md")]
mod readme {}

#[doc = include_str!("../../../docs/guide/first-object.md")]
mod first_object {}

#[doc = include_str!("../../../docs/guide/alarms.md")]
mod alarms {}

#[doc = include_str!("../../../docs/guide/messages-and-delivery.md")]
mod messages_and_delivery {}

#[doc = include_str!("../../../docs/guide/state-and-handlers.md")]
mod state_and_handlers {}

#[doc = include_str!("../../../docs/guide/transactions.md")]
mod transactions {}

#[doc = include_str!("../../../docs/guide/projections.md")]
mod projections {}

#[doc = include_str!("../../../docs/guide/watching.md")]
mod watching {}

#[doc = include_str!("../../../docs/guide/testing-your-objects.md")]
mod testing_your_objects {}

#[doc = include_str!("../../../docs/guide/operations.md")]
mod operations {}

#[doc = include_str!("../../../docs/security.md")]
mod security {}

#[doc = include_str!("../../../docs/errors/README.md")]
mod errors {}

#[doc = include_str!("../../../docs/stores.md")]
mod stores {}

#[doc = include_str!("../../../docs/sessions.md")]
mod sessions {}

#[doc = include_str!("../../../docs/http.md")]
mod http {}

#[doc = include_str!("../../../docs/clients.md")]
mod clients {}
