//! The pure part of Abide: names, state and patches, changes, clocks, errors and ports.
//!
//! Nothing here does IO, starts a task, reads a clock or draws a random number: time and randomness
//! come in as arguments, so that all of it is deterministic and property-tested.

pub mod backoff;
pub mod change;
pub mod collection;
pub mod cron;
pub mod cursor;
pub mod duration;
pub mod error;
pub mod filter;
mod finite;
pub mod frame;
pub mod hlc;
pub mod json;
pub mod key;
pub mod operation;
pub mod port;
pub mod replica_id;
pub mod schedule;
pub mod schema;
pub mod seq;
pub mod state;
pub mod time;
pub mod vector;

pub use backoff::Backoff;
pub use change::{Cause, Change, ChangeRecord, Event};
pub use collection::Collection;
pub use cron::{CronError, CronExpr};
pub use cursor::{Cursor, InvalidCursor};
pub use duration::{DURATION_MAX, DurationError, format_duration, parse_duration};
pub use error::{Code, Error, Result};
pub use filter::{Filter, FilterError};
pub use frame::{ClientFrame, FrameError, ServerFrame};
pub use hlc::{Hlc, HlcClock, HlcError};
pub use json::Json;
pub use key::{InvalidName, Key, Kind, Namespace, Shard};
pub use port::{Clock, Store, StoreError};
pub use replica_id::ReplicaId;
pub use schedule::{Schedule, ScheduleError};
pub use schema::schema_of;
pub use seq::{Epoch, FeedPosition, Incarnation, Seq};
pub use state::{Encoded, Encoder, Operations, Patch, State, Unknown};
pub use time::Timestamp;
pub use vector::{Causality, InvalidVector, VersionVector};
