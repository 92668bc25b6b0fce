use std::collections::BTreeSet;

use abide_core::{ClientFrame, ServerFrame};
use serde_json::Value;

const MANUAL: &str = include_str!("../../../../docs/frames.md");

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_example_of_the_manual_is_a_frame_that_is_written_the_same() {
    let mut shown = [BTreeSet::new(), BTreeSet::new()];
    for line in MANUAL.lines() {
        if let Some(text) = line.strip_prefix("→ ") {
            let frame = ClientFrame::parse(text, 1 << 20).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(value(&frame.to_json()), value(text));
            shown[0].insert(frame.name());
        } else if let Some(text) = line.strip_prefix("← ") {
            let frame = ServerFrame::parse(text, 1 << 20).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(value(&frame.to_json()), value(text));
            let name = value(text)["type"].as_str().unwrap().to_owned();
            shown[1].extend(ServerFrame::TYPES.into_iter().filter(|known| *known == name));
        }
    }
    assert_eq!(shown, [BTreeSet::from(ClientFrame::TYPES), BTreeSet::from(ServerFrame::TYPES)]);
}
