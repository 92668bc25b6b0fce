//! core
pub mod duration;
pub use duration::{DURATION_MAX, DurationError, format_duration, parse_duration};
