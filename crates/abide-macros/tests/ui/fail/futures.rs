#![allow(unused)]

use std::rc::Rc;

use abide::prelude::*;

#[derive(State, Default)]
struct Notes {
    all: Vec<String>,
}

#[object]
impl Notes {
    #[handler]
    async fn wait(&mut self) -> usize {
        let rc = Rc::new(1);
        std::future::ready(()).await;
        self.all.len() + *rc
    }
}

fn main() {}
