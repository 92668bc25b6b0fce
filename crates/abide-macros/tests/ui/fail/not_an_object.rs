#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

async fn use_it(abide: Abide) {
    abide.object::<Counter>("a");
}

fn main() {}
