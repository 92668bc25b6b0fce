#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

fn up(state: &mut serde_json::Value) {}

#[object(version = 2, migrate = up)]
impl Counter {}

fn main() {}
