#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    n: i64,
}

#[object]
impl Counter {
    #[handler]
    fn add(&mut self, n: i64) -> i64 {
        self.n += n;
        self.n
    }
}

async fn use_it(abide: Abide) -> Result<()> {
    let counter = abide.object::<Counter>("a");
    counter.add("one").await?;
    counter.add().await?;
    let text: String = counter.add(1).await?;
    counter.subtract(1).await?;
    Ok(())
}

fn main() {}
