use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The note that holds it.
pub(crate) const NOTE: &str = "part";

/// What a database says of itself: which part it is, of which store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// A ULID, the same in all databases of a store.
    pub(super) store: String,
    /// The first shard that it holds.
    pub(super) first: u32,
    /// The first shard behind those that it holds.
    pub(super) end: u32,
    /// How many shards the store has.
    pub(super) shards: u32,
}

impl Record {
    /// The parts of a new store: ranges of the same size, as far as there are such.
    pub(super) fn split(store: &str, shards: u32, parts: usize) -> Vec<Self> {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
        let edge = |part: u32| {
            let edge = u64::from(shards) * u64::from(part) / u64::from(parts);
            u32::try_from(edge).unwrap_or(u32::MAX)
        };
        (0..parts).map(|part| Self { store: store.into(), first: edge(part), end: edge(part + 1), shards }).collect()
    }

    pub(super) fn range(&self) -> Range<u32> {
        self.first..self.end
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        let Self { store, first, end, shards } = self;
        format!("shards {first} to {} of {shards} of the store {store}", end.saturating_sub(1))
    }
}

/// What a database says of itself, for people.
pub(crate) fn part_shown(note: &str) -> String {
    serde_json::from_str(note).map_or_else(|_| note.into(), |record: Record| record.shown())
}

/// Why these records, in the order of their ranges, are not those of one store.
pub(super) fn faults(records: &[(String, Record)], shards: u32) -> Result<(), String> {
    let Some((first_name, first)) = records.first() else { return Err("there is no database".into()) };
    let mut next = 0;
    for (name, record) in records {
        if record.store != first.store || record.shards != shards {
            return Err(format!("{first_name} holds {}, and {name} {}", first.shown(), record.shown()));
        }
        if record.first != next {
            return Err(match record.first < next {
                true => format!("{name} holds {}, which another one holds already", record.shown()),
                false => format!("nobody holds the shards {next} to {}: a database is missing", record.first - 1),
            });
        }
        next = record.end;
    }
    if next != shards {
        return Err(format!("nobody holds the shards {next} to {}: a database is missing", shards.saturating_sub(1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(records: Vec<Record>) -> Vec<(String, Record)> {
        records.into_iter().enumerate().map(|(n, record)| (format!("db{n}"), record)).collect()
    }

    #[test]
    fn any_number_of_databases_share_all_shards() {
        for (shards, parts) in [(16, 1), (16, 2), (4_096, 3), (5, 5), (4_096, 7)] {
            let records = Record::split("S", shards, parts);
            assert_eq!(records.len(), parts);
            assert!(records.iter().all(|record| !record.range().is_empty()));
            assert_eq!(faults(&named(records), shards), Ok(()));
        }
    }

    #[test]
    fn what_is_missing_strange_or_twice_there_is_named() {
        let whole = named(Record::split("S", 16, 3));
        let strange = Record { store: "T".into(), ..whole[1].1.clone() };
        for (records, part) in [
            (vec![], "no database"),
            (vec![whole[1].clone(), whole[2].clone()], "nobody holds the shards 0 to 4"),
            (vec![whole[0].clone(), whole[2].clone()], "nobody holds the shards 5 to 9"),
            (vec![whole[0].clone(), whole[1].clone()], "nobody holds the shards 10 to 15"),
            (vec![whole[0].clone(), whole[0].clone()], "another one holds already"),
            (vec![whole[0].clone(), ("x".into(), strange), whole[2].clone()], "of the store T"),
        ] {
            let fault = faults(&records, 16).unwrap_err();
            assert!(fault.contains(part), "{fault}");
        }
    }
}
