//! Backups as files: whatever is done to one is found.
#![cfg(feature = "archive")]

use abide_core::port::store::{ObjectRow, Row, Tally};
use abide_store::{
    archive::{About, ArchiveError, Reader, Writer, check},
    contract::{
        fixture::key,
        full::{reference, rows, same, tally},
    },
};
use proptest::prelude::*;

/// Something of everything, but for what is large.
async fn some_rows() -> Vec<Row> {
    let mut rows = rows(&reference(16).await, 1_000).await;
    let large = |row: &ObjectRow| row.key == key("large");
    rows.retain(|row| !matches!(row, Row::Object(row) if large(row)));
    rows.retain(|row| !matches!(row, Row::Change { change, .. } if change.seq.number() > 90));
    rows
}

fn about() -> About {
    About::new("memory", "01J00000000000000000000000", 16, true, 7)
}

fn archive(rows: &[Row], block_bytes: usize) -> (Vec<u8>, Tally) {
    let mut writer = Writer::new(Vec::new(), &about()).unwrap().block_bytes(block_bytes);
    writer.push(rows).unwrap();
    writer.finish().unwrap()
}

/// Where each frame begins, the header first, and where the last one ends.
fn frames(archive: &[u8]) -> Vec<usize> {
    let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
    let mut starts = vec![0, 14 + number(10) + 8];
    while archive[starts[starts.len() - 1]] == b'B' {
        let start = starts[starts.len() - 1];
        starts.push(start + 21 + number(start + 17) + 8);
    }
    starts.push(archive.len());
    starts
}

#[track_caller]
fn refused(archive: &[u8], what: &str) {
    let found = check(archive, |_| {});
    assert!(found.is_err(), "{what}: {found:?}");
}

#[tokio::test]
async fn what_was_written_is_read() {
    let all = rows(&reference(16).await, 1_000).await;
    for block_bytes in [1, 700, 1 << 20] {
        let (archive, written) = archive(&all, block_bytes);
        let mut reader = Reader::new(archive.as_slice()).unwrap();
        assert_eq!((reader.about().shards, reader.about().one_moment), (16, true));
        let (mut found, mut blocks) = (Vec::new(), 0);
        while let Some(block) = reader.next(0).unwrap() {
            assert_eq!(block.first, found.len() as u64);
            found.extend(block.rows);
            blocks += 1;
        }
        same(&found, &all);
        assert_eq!(written, tally(&all));
        assert_eq!(check(archive.as_slice(), |_| {}).unwrap().1, written);
        assert!(blocks >= 2, "{blocks}");
    }
}

#[test]
fn a_backup_of_an_empty_store_is_one() {
    let (archive, written) = archive(&[], 1);
    assert_eq!(written, Tally::default());
    assert_eq!(check(archive.as_slice(), |_| {}).unwrap().1, written);
}

/// The file was written by the first version of the format, before alarms had principals.
#[test]
fn a_backup_of_the_first_version_is_read() {
    let archive: &[u8] = include_bytes!("files/version-1.abide-backup");
    assert_eq!(archive[8..10], [1, 0]);
    let found = check(archive, |_| {}).unwrap().1;
    let counts = (found.objects, found.changes, found.alarms, found.received, found.outcomes, found.messages);
    assert_eq!(counts, (13, 29, 3, 2, 4, 2));
    let mut reader = Reader::new(archive).unwrap();
    let mut alarms = Vec::new();
    while let Some(block) = reader.next(0).unwrap() {
        alarms.extend(block.rows.into_iter().filter_map(|row| match row {
            Row::Alarm { alarm, .. } => Some(alarm),
            _ => None,
        }));
    }
    assert!(alarms.iter().all(|alarm| alarm.principal.is_none()), "{alarms:?}");
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let (archive, _) = archive(&some_rows().await, 2_000);
    assert!(frames(&archive).len() > 5, "{:?}", frames(&archive));
    for place in 0..archive.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut flipped = archive.clone();
            flipped[place] ^= flip;
            refused(&flipped, &format!("byte {place} of {} with {flip:#x}", archive.len()));
        }
    }
}

#[tokio::test]
async fn every_missing_end_is_found() {
    let (archive, _) = archive(&some_rows().await, 2_000);
    for end in 0..archive.len() {
        refused(&archive[..end], &format!("{end} of {}", archive.len()));
    }
}

#[tokio::test]
async fn frames_that_are_missing_doubled_or_out_of_order_are_found() {
    let (archive, _) = archive(&some_rows().await, 2_000);
    let frames = frames(&archive);
    let frame = |index: usize| &archive[frames[index]..frames[index + 1]];
    let count = frames.len() - 1;
    let joined = |order: &[usize]| order.iter().flat_map(|index| frame(*index).to_vec()).collect::<Vec<u8>>();
    let whole: Vec<usize> = (0..count).collect();
    assert_eq!(joined(&whole), archive);
    for one in 0..count {
        let mut order = whole.clone();
        order.remove(one);
        refused(&joined(&order), &format!("without frame {one}"));
        let mut order = whole.clone();
        order.insert(one, one);
        refused(&joined(&order), &format!("frame {one} twice"));
        for other in 0..one {
            let mut order = whole.clone();
            order.swap(one, other);
            refused(&joined(&order), &format!("frames {one} and {other} swapped"));
        }
    }
    refused(&[archive.as_slice(), b"\0"].concat(), "a byte more");
    refused(&[archive.as_slice(), archive.as_slice()].concat(), "twice in a row");
}

#[tokio::test]
async fn blocks_of_another_backup_are_found() {
    let all = some_rows().await;
    let (one, _) = archive(&all, 2_000);
    let mut writer = Writer::new(Vec::new(), &About { shards: 17, ..about() }).unwrap().block_bytes(2_000);
    writer.push(&all).unwrap();
    let (other, _) = writer.finish().unwrap();
    let (start, other_start) = (frames(&one)[1], frames(&other)[1]);
    refused(&[&other[..other_start], &one[start..]].concat(), "the blocks of one after the header of another");
}

#[tokio::test]
async fn reading_begins_at_any_row() {
    let all = some_rows().await;
    let (archive, _) = archive(&all, 500);
    for from in 0..=all.len() {
        let mut reader = Reader::new(archive.as_slice()).unwrap();
        let mut found = Vec::new();
        while let Some(block) = reader.next(from as u64).unwrap() {
            assert!(block.first + block.rows.len() as u64 > from as u64);
            let known = (from as u64).saturating_sub(block.first).try_into().unwrap();
            found.extend(block.rows.into_iter().skip(known));
        }
        assert!(found == all[from..], "from {from}");
    }
    let mut flipped = archive.clone();
    let place = frames(&archive)[2] - 12;
    flipped[place] ^= 1;
    let mut reader = Reader::new(flipped.as_slice()).unwrap();
    assert!(reader.next(all.len() as u64).is_err(), "what is passed over is checked, too");
}

#[test]
fn what_is_no_backup_is_called_that() {
    let texts: [&[u8]; 4] = [b"", b"-- a dump", b"SQLite format 3\0", b"\x89Abide\n"];
    for text in texts {
        let found = check(text, |_| {}).unwrap_err();
        assert!(matches!(found, ArchiveError::NotABackup { .. }), "{found}");
    }
    let (mut archive, _) = archive(&[], 1);
    archive[8] = 3;
    let found = check(archive.as_slice(), |_| {}).unwrap_err();
    assert_eq!(found, ArchiveError::NewerVersion { found: 3, known: 2 });
    assert!(found.to_string().contains("newer version"), "{found}");
}

proptest! {
    #[test]
    fn noise_is_never_a_backup(noise in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..60) {
        let refused = |bytes: &[u8]| check(bytes, |_| ()).is_err();
        prop_assert!(refused(&noise));
        let (archive, _) = archive(&[], 1);
        let begun = [&archive[..cut.min(archive.len() - 1)], &noise].concat();
        prop_assert!(begun == archive || refused(&begun));
    }
}
