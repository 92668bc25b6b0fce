#![allow(unused)]

use std::sync::Arc;

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object]
impl Counter {
    #[handler]
    fn nothing() -> i64 {
        1
    }
    #[handler]
    fn by_value(self) -> i64 {
        self.n
    }
    #[handler]
    fn by_arc(self: Arc<Self>) -> i64 {
        self.n
    }
    #[handler(reentrant)]
    fn again(&mut self) {}
    #[handler(reentrent)]
    fn typo(&self) {}
    #[handler]
    unsafe fn danger(&self) {}
    #[handler]
    fn generic<T: Into<i64>>(&mut self, n: T) {
        self.n = n.into();
    }
}

fn main() {}
