//! Objects of another machine, over one connection that is made again whenever it breaks.
//!
//! A [`Client`] holds a WebSocket to one of several addresses. Calls take effect once, also when the server
//! is killed in between: each has a key, and is sent again on the next connection. Watches go on after the last
//! change that came, without a gap or with a reset that says so.
//!
//! ```no_run
//! # async fn example() -> abide_core::Result<()> {
//! use abide_client::Client;
//!
//! let client = Client::connect("http://127.0.0.1:7070").await?;
//! let n: i64 = client.call("Counter", "visits", "increment", &[5]).await?;
//! println!("{n} visits");
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! By module: `client` (the handle) → `command` → `link` (the task that owns the connection, with `dial` and
//! `pump`) → `desk` (which calls and watches are open; no IO, no clock).

mod address;
mod builder;
mod call;
mod calls;
mod client;
mod command;
mod desk;
mod dial;
mod feed;
mod following;
mod link;
mod news;
mod options;
mod shelf;
mod status;
mod tls;
mod watch;
mod watches;

pub use abide_core::port::{Search, SearchPage, store::Listed};
pub use builder::Builder;
pub use call::{Call, Reply};
pub use client::Client;
pub use feed::{Push, Pushes};
pub use news::News;
pub use options::TokenSource;
pub use status::Status;
pub use watch::{Watch, Watcher};
