#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object]
impl Counter {
    #[hook]
    fn on_start(&mut self) {}
    #[hook]
    fn on_create(&mut self, n: i64) {}
    #[hook]
    fn on_activate(&self) {}
    fn on_delete(&mut self) {}
    #[handler]
    fn on_deactivate(&mut self) {}
    #[alarm]
    fn ring(&self) {}
    #[alarm]
    fn ring_with(&mut self, a: i64, b: i64) {}
    #[alarm(every = "5m")]
    fn ring_often(&mut self) {}
    #[alarm]
    fn ring_default(&mut self, #[arg(default)] n: i64) {}
}

fn main() {}
