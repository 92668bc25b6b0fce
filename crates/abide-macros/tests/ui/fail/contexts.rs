#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object]
impl Counter {
    #[handler]
    fn by_value(&mut self, ctx: Context) {}
    #[handler]
    fn last(&mut self, n: i64, ctx: &mut Context) {
        self.n = n;
    }
    #[handler]
    fn reads(&self, ctx: &mut Context) {}
    #[handler]
    fn twice(&self, a: &Context, b: &Context) {}
}

fn main() {}
