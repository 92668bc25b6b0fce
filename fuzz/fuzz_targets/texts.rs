//! Every small text a client can send: whatever it is, an answer and never a panic; and what is
//! accepted prints to something that is accepted again and means the same.
#![no_main]

use abide_core::{
    Filter, Key, Timestamp, cron::CronExpr, cursor::Cursor, duration::parse_duration, hlc::Hlc, replica_id::ReplicaId,
    vector::VersionVector,
};
use libfuzzer_sys::fuzz_target;

fn prints_back<T: std::str::FromStr + std::fmt::Display + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert_eq!(printed.parse::<T>().ok(), Some(value), "{text:?} printed as {printed:?}");
    }
}

fuzz_target!(|text: &str| {
    prints_back::<Timestamp>(text);
    prints_back::<Cursor>(text);
    prints_back::<Hlc>(text);
    prints_back::<ReplicaId>(text);
    prints_back::<VersionVector>(text);
    prints_back::<Filter>(text);
    if let Ok(filter) = Filter::parse(text) {
        let _ = filter.matches(&serde_json::json!({"count": 5, "name": "a", "deep": {"er": [1, null]}}));
    }
    let _ = parse_duration(text);
    if let Ok(key) = Key::parse("default", "Counter", text) {
        assert_eq!(key.id(), text);
        assert!(key.shard(4096).number() < 4096);
    }
    let (expression, zone) = text.split_once('|').unwrap_or((text, "UTC"));
    if let Ok(cron) = CronExpr::parse(expression, zone) {
        let from = Timestamp::from_millis(1_767_323_045_678);
        assert!(cron.next_after(from).is_none_or(|next| next > from));
    }
});
