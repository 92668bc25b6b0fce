//! Real servers for tests: brought up on free ports, hurt on purpose, and torn down whatever happens.
//!
//! A server that this crate started ends with the value that stands for it, with a test that panics,
//! and also with a test process that is killed: a small watcher outside the process sees to that.
//!
//! - [`process`]: a server's process, its signals and its end.
//! - [`folder`]: a folder of its own, gone when it is dropped.
//! - [`net`]: free ports, and waiting until something is ready.
//! - [`find`]: where programs are installed.
//! - [`postgres`]: a PostgreSQL server, and a standby that follows it.
//! - [`proxy`]: a TCP proxy that fails on purpose.
//! - [`redis`]: a Redis server, and a cluster of three.
//! - [`user`]: whom to run a server as that refuses to be root.
#![allow(clippy::disallowed_methods, reason = "real servers take real time, and no runtime runs here")]

mod error;
pub mod find;
pub mod folder;
pub mod net;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod user;

pub use error::ServiceError;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use redis::{Redis, RedisCluster, SharedRedis};
