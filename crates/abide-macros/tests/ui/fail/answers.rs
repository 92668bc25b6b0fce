#![allow(unused)]

use std::future::Future;

use abide::prelude::*;

#[derive(State, Default)]
struct Notes {
    all: Vec<String>,
}

#[object]
impl Notes {
    #[handler]
    fn first(&self) -> &str {
        &self.all[0]
    }
    #[handler]
    fn iterate(&self) -> impl Iterator<Item = String> {
        self.all.clone().into_iter()
    }
    #[handler]
    fn later(&self) -> impl Future<Output = i64> {
        async { 1 }
    }
    #[handler]
    fn maybe(&self) -> Result<Option<&String>> {
        Ok(self.all.first())
    }
}

fn main() {}
