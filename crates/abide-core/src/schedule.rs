//! When an alarm fires.
use serde::{Deserialize, Serialize};
/// When an alarm fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule;
