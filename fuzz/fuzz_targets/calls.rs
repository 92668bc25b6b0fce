//! Arguments as a client sends them, to handlers that take everything there is: an answer, never a
//! panic, and an object that still answers afterwards.
#![no_main]

use std::{cell::RefCell, collections::BTreeMap};

use abide::{Json, prelude::*};
use libfuzzer_sys::fuzz_target;

#[derive(State, Default)]
struct Taker {
    taken: u64,
    last: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
enum Choice {
    One,
    Two(i8, String),
    Three { at: Timestamp, deep: Option<Box<Choice>> },
}

#[object(history = 4)]
impl Taker {
    #[handler]
    fn take(&mut self, number: i64, text: String, list: Vec<Option<f64>>, map: BTreeMap<String, Choice>) -> u64 {
        self.taken += 1;
        self.last = serde_json::to_value((number, text, list, map)).ok();
        self.taken
    }

    #[handler]
    fn keep(&mut self, #[arg(default)] value: serde_json::Value) {
        self.last = Some(value);
    }

    #[handler]
    fn taken(&self) -> u64 {
        self.taken
    }
}

thread_local! {
    static WORLD: RefCell<Option<(tokio::runtime::Runtime, Abide)>> = const { RefCell::new(None) };
}

fuzz_target!(|text: &str| {
    let Ok(args) = Json::parse(text) else { return };
    WORLD.with_borrow_mut(|world| {
        let (runtime, abide) = world.get_or_insert_with(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let abide = runtime.block_on(Abide::open("memory:").register::<Taker>().start()).expect("a node");
            (runtime, abide)
        });
        runtime.block_on(async {
            let key = abide::Key::parse("default", "Taker", "a").expect("a key");
            for handler in ["take", "keep", "taken"] {
                let _ = abide.call_key(&key, handler, args.clone()).json().await;
            }
            let taken: u64 = abide.call("Taker", "a", "taken", json!({})).await.expect("the object answers");
            let _ = taken;
            if let Some(found) = abide.snapshot(&key).await.expect("readable") {
                found.state.decode::<serde_json::Value>().expect("its state is JSON");
            }
        });
    });
});
