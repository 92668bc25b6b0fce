#![allow(unused)]

use abide::prelude::*;

#[derive(State)]
struct NoDefault {
    n: i64,
}

struct NoState;

#[object]
impl NoState {
    #[handler]
    fn get(&self) -> i64 {
        1
    }
}

fn main() {}
