//! Programs of distobject beside a node of Abide, on a real Redis server.

#[path = "distobject/loud.rs"]
mod loud;
#[path = "distobject/meeting.rs"]
mod meeting;
#[path = "distobject/prefixes.rs"]
mod prefixes;
#[path = "distobject/program.rs"]
mod program;
#[path = "distobject/refusals.rs"]
mod refusals;
#[path = "distobject/sharing.rs"]
mod sharing;
#[path = "distobject/slow.rs"]
mod slow;
#[path = "distobject/thousand.rs"]
mod thousand;
#[path = "distobject/unstored.rs"]
mod unstored;
#[path = "distobject/user.rs"]
mod user;
