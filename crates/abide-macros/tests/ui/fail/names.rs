#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object]
impl Counter {
    #[handler]
    fn get(&self) -> i64 {
        self.n
    }
    #[handler]
    fn get(&self) -> i64 {
        self.n
    }
    #[handler]
    #[alarm]
    fn both(&mut self) {}
    #[handler]
    fn invoke(&mut self) {}
}

fn main() {}
