#![allow(unused)]

use std::collections::HashMap;

use abide::{collection::Set, prelude::*};

#[derive(State, Default)]
struct Places {
    #[index(unique)]
    a: i64,
    #[index]
    #[index]
    b: i64,
    #[index]
    #[state(skip)]
    c: i64,
    #[index]
    d: Vec<String>,
    #[index]
    e: Option<HashMap<String, i64>>,
    #[index]
    f: Set<String>,
    #[index]
    g: (i64, i64),
    #[index]
    #[state(rename = "with \"quotes\"")]
    h: i64,
}

#[derive(State, Default)]
#[index]
struct Whole {
    a: i64,
}

fn main() {}
