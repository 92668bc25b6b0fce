//! What a caller shows to be believed: headers, tokens of every kind, names of tenants. Nobody is believed
//! who has no key, nothing panics; and no text makes a pattern match what it should not.
#![no_main]

use abide_server::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    parsers::key_set(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(!parsers::believed(text), "somebody was believed");
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    assert!(parsers::owns(pattern, name), "a subject owns another's names");
});
