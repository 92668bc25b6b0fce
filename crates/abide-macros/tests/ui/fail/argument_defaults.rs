#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object]
impl Counter {
    #[handler]
    fn defaulted(&mut self, #[arg(default = "one")] n: i64) {}
}

fn main() {}
