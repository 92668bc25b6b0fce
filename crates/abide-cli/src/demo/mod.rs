//! The kinds that `abide serve` has: small objects to look at, to call and to copy from.
//!
//! | kind | shows |
//! |---|---|
//! | [`Counter`] | state that survives, and an argument with a default |
//! | [`RateLimiter`] | an alarm that resets a window, and a refusal with data |
//! | [`Document`] | a state without fixed fields: any JSON object, patched field by field |
//! | [`Stream`] | events in the change log, read by cursor |
//! | [`Wallet`] | a durable message, sent in the same commit as the debit |
//!
//! And those of the examples with a page of their own: the chat, tic-tac-toe and the arena.

pub mod counter;
pub mod document;
pub mod rate_limiter;
pub mod stream;
pub mod wallet;

pub use counter::Counter;
pub use document::Document;
pub use rate_limiter::RateLimiter;
pub use stream::Stream;
pub use wallet::Wallet;

/// Registers every demo kind.
pub fn register(builder: abide::Builder) -> abide::Builder {
    let builder = arena_example::register(tic_tac_toe_example::register(chat_example::register(builder)));
    builder
        .register::<Counter>()
        .register::<Document>()
        .register::<RateLimiter>()
        .register::<Stream>()
        .register::<Wallet>()
}
