#![allow(unused)]

use abide::prelude::*;

#[object]
struct Counter {
    n: i64,
}

#[object]
fn count() {}

#[derive(State, Default)]
struct Plain {
    n: i64,
}

#[object]
impl Clone for Plain {
    fn clone(&self) -> Self {
        Self { n: self.n }
    }
}

struct Generic<T>(T);

#[object]
impl<T> Generic<T> {}

impl Plain {
    #[handler]
    fn get(&self) -> i64 {
        self.n
    }

    #[alarm]
    fn ring(&mut self) {}
}

fn main() {}
