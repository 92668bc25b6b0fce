//! The commands, one file each.

pub(crate) mod access;
pub(crate) mod alarms;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod keys;
pub(crate) mod kinds;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod new;
pub(crate) mod projections;
pub(crate) mod restore;
pub(crate) mod rm;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod store_copy;
pub(crate) mod watch;
