#![allow(unused)]

use std::borrow::Cow;

use abide::prelude::*;

#[derive(State, Default)]
struct Notes {
    all: Vec<String>,
}

#[object]
impl Notes {
    #[handler]
    fn add(&mut self, text: &str) {
        self.all.push(text.into());
    }
    #[handler]
    fn add_all(&mut self, texts: &[String], more: Option<&String>) {}
    #[handler]
    fn add_cow(&mut self, text: Cow<'_, str>) {}
    #[handler]
    fn add_impl(&mut self, text: impl Into<String>) {}
    #[handler]
    fn add_pair(&mut self, (a, b): (String, String)) {}
    #[handler]
    fn add_any(&mut self, _: String) {}
    #[handler]
    fn add_times(&mut self, #[arg(defualt = 1)] times: u8, #[arg] more: u8) {}
}

fn main() {}
