//! Frames from either side: refused or read, and what is read is written and read again unchanged.
#![no_main]

use abide_core::frame::{ClientFrame, ServerFrame};
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: usize = 1 << 20;

fuzz_target!(|text: &str| {
    if let Ok(frame) = ClientFrame::parse(text, BYTES_MAX) {
        let written = frame.to_json();
        assert_eq!(ClientFrame::parse(&written, BYTES_MAX * 4).ok(), Some(frame), "{written}");
    }
    if let Ok(frame) = ServerFrame::parse(text, BYTES_MAX) {
        let written = frame.to_json();
        assert_eq!(ServerFrame::parse(&written, BYTES_MAX * 4).ok(), Some(frame), "{written}");
    }
});
