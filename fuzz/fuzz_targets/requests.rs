//! What a client puts into a request: paths, queries, headers, bodies, compressed or not. An answer,
//! never a panic, and never more memory than the limits allow.
#![no_main]

use abide_server::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parsers::arguments(bytes);
    let _ = parsers::decompress(true, bytes);
    let _ = parsers::decompress(false, bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = parsers::path(text);
    let _ = parsers::path(&format!("/v1/objects/Counter/{text}/increment"));
    let _ = parsers::query(text);
    let _ = parsers::traceparent(text);
    let _ = parsers::cursor(text);
});
