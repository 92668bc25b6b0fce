#![allow(unused)]

use abide::prelude::*;

#[derive(State, Default)]
struct Tuple(i64);

#[derive(State, Default)]
enum Choice {
    #[default]
    One,
}

#[derive(State, Default)]
struct Generic<T> {
    value: T,
}

#[derive(State, Default)]
struct Options {
    #[state(renam = "b")]
    a: i64,
    #[state(rename = 5)]
    b: i64,
    #[state(rename = "d")]
    c: i64,
    d: i64,
}

fn main() {}
