//! A whole connection: lines (or MessagePack) as a client sends them after its hello. Each answer is a frame,
//! nothing panics, and the objects still answer.
#![no_main]

use std::cell::RefCell;

use abide::prelude::*;
use abide_core::ServerFrame;
use libfuzzer_sys::fuzz_target;

#[derive(State, Default)]
struct Echo {
    last: Option<serde_json::Value>,
}

#[object(history = 2)]
impl Echo {
    #[handler]
    fn say(&mut self, ctx: &mut Context, #[arg(default)] value: serde_json::Value) -> serde_json::Value {
        ctx.broadcast(&value);
        ctx.push(Recipients::All, &value);
        self.last = Some(value.clone());
        value
    }
}

thread_local! {
    static WORLD: RefCell<Option<(tokio::runtime::Runtime, Abide)>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let packed = first % 2 == 1;
    let hello = match packed {
        true => b"\x82\xa4type\xa5hello\xa5proto\x01".to_vec(),
        false => br#"{"type":"hello","proto":1}"#.to_vec(),
    };
    let more = rest.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let frames = std::iter::once(hello).chain(more).collect();
    WORLD.with_borrow_mut(|world| {
        let (runtime, abide) = world.get_or_insert_with(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let abide = runtime.block_on(Abide::open("memory:").register::<Echo>().start()).expect("a node");
            (runtime, abide)
        });
        runtime.block_on(async {
            let said = abide_server::parsers::converse(abide.node().clone(), frames, packed).await.expect("a server");
            for frame in said {
                ServerFrame::parse(&frame, usize::MAX).unwrap_or_else(|error| panic!("{frame}: {error}"));
            }
            let _: serde_json::Value = abide.call("Echo", "a", "say", json!([1])).await.expect("the object answers");
        });
    });
});
