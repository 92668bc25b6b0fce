//! JSON Schemas inferred from `serde::Deserialize` alone.
//!
//! A type says what it reads by the `deserialize_*` method it calls. So it is run many times on a
//! deserializer that walks to one position inside the type (a field, an item, a variant), notes what is
//! asked for there, and stops; and on samples, to learn which fields may be left out and what a text has
//! to look like. `probe` walks and notes, `sample` feeds, `explore` puts the schema together.

mod explore;
mod probe;
mod sample;
mod shape;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;

use self::explore::Explorer;
use self::probe::{Probe, Run};
use self::shape::Step;

/// The JSON Schema (draft 2020-12) of what `T` deserializes from.
///
/// - Integers carry their range up to 32 bits and a `format` (`int64`, `uint64`) beyond; `Option` adds
///   `null`; sequences and sets are arrays with `items`, tuples have `prefixItems`, maps
///   `additionalProperties`.
/// - Structs list their `properties`; a field is `required` when leaving it out is an error.
///   `deny_unknown_fields` shows as `additionalProperties: false`.
/// - Enums are in serde's external tagging: names for unit variants, else one object per variant.
/// - A text that the type checks gets the `format` of the sample it accepted (`date-time`, `uuid`, …)
///   and the type's own words as its `description`.
/// - Recursive types refer to `$defs` at the root of the returned schema.
/// - Where the type only says "anything" (`serde_json::Value`, internally tagged and untagged enums,
///   flattened fields), so does the schema: `{}` or an open object.
///
/// It never panics, also when `T`'s own code does, and ends for every type: depth and number of probes
/// are limited, and what lies beyond the limit is `{}`.
#[must_use]
pub fn schema_of<'de, T: Deserialize<'de>>() -> Value {
    Explorer::new(run::<T>).schema()
}

/// Runs `T` once on a probe that walks along `path`. What was seen is noted in `run`.
fn run<'de, T: Deserialize<'de>>(run: &Run, path: &[Step]) {
    // A panic of the type's own code is a refusal of the sample.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let result = T::deserialize(Probe { run, path });
        if path.is_empty() {
            run.note_outcome(&result);
        }
    }));
}

#[cfg(test)]
mod tests;
