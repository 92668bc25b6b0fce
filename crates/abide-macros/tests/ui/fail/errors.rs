#![allow(unused)]

use abide::prelude::*;

#[derive(Debug)]
struct Silent;

#[derive(Serialize, Deserialize)]
struct PageResult<T> {
    items: Vec<T>,
}

#[derive(State, Default)]
struct Notes {
    all: Vec<String>,
}

#[object]
impl Notes {
    #[handler]
    fn fails(&self) -> Result<i64, Silent> {
        Err(Silent)
    }
    #[handler]
    fn page(&self) -> PageResult<String> {
        PageResult { items: self.all.clone() }
    }
}

fn main() {}
