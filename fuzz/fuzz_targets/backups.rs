//! Backup files: no bytes make the reader panic or take more memory than the file has; what is written is
//! read; and no byte of a backup can be changed without being noticed.
#![no_main]

use abide_core::port::store::Row;
use abide_store::archive::{About, Writer, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(check(data, |_| {}).is_err() || data.starts_with(b"\x89Abide"));
    // What rows there are in the bytes, read one after the other.
    let (mut rest, mut rows) = (data, Vec::new());
    while let Ok(row) = Row::read(&mut rest) {
        let mut bytes = Vec::new();
        row.write(&mut bytes);
        assert_eq!(Row::read(&mut bytes.as_slice()).as_ref(), Ok(&row));
        rows.push(row);
    }
    let about = About { id: "01J00000000000000000000000".into(), ..About::new("memory", "x", 1, true, 0) };
    let mut writer = Writer::new(Vec::new(), &about).expect("a vector takes all").block_bytes(64);
    writer.push(&rows).expect("a vector takes all");
    let (mut archive, tally) = writer.finish().expect("a vector takes all");
    assert_eq!(check(archive.as_slice(), |_| {}).map(|(_, read)| read), Ok(tally));
    let Some((flip, place)) = data.split_first() else { return };
    let place = place.iter().take(4).fold(0, |place, byte| place << 8 | usize::from(*byte)) % archive.len();
    archive[place] ^= (*flip).max(1);
    assert!(check(archive.as_slice(), |_| {}).is_err(), "byte {place}");
    archive.truncate(place);
    assert!(check(archive.as_slice(), |_| {}).is_err(), "{place} bytes");
});
