#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object(histroy = 10)]
impl Counter {
    #[handler]
    fn first(&mut self, text: &str, (a, b): (i64, i64)) -> &str {
        ""
    }
    #[alarm]
    fn second() {}
    #[handler]
    fn right(&self) -> i64 {
        self.n
    }
}

async fn use_it(abide: Abide) -> Result<i64> {
    abide.object::<Counter>("a").right().await
}

fn main() {}
