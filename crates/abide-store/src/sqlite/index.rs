use std::collections::BTreeSet;

use abide_core::{Kind, StoreError, filter::Path, port::store::KindIndexes};
use rusqlite::Connection;

use super::fault::{Fault, Result};

/// A field of the states of a kind, as SQL sees it.
///
/// Two expressions make the order of values out of SQLite's: first the rank of the type, then the
/// number or the text. Neither is ever NULL.
#[derive(Debug)]
pub(super) struct Field {
    /// The field.
    pub(super) path: Path,
    /// Which index has it.
    pub(super) name: String,
    /// `null` 0, `false` 1, `true` 2, numbers 3, texts 4, lists and objects 5.
    pub(super) rank: String,
    /// The number or text; 0 for everything else.
    pub(super) value: String,
    /// What an index of the kind is restricted to, and so must stand in a query word for word.
    pub(super) of_kind: String,
}

impl Field {
    /// The indexed fields of a kind.
    pub(super) fn of_kind(conn: &Connection, kind: &Kind) -> Result<Vec<Self>> {
        let path = |text: &str| {
            let no_path = |error| Fault::Value(format!("the indexed field {text:?} of {kind} is no field: {error}"));
            Path::parse(text).map_err(no_path)
        };
        let made = made(conn, kind)?;
        made.iter().map(|(number, text)| Ok(Self::new(*number, kind, path(text)?))).collect()
    }

    fn new(number: i64, kind: &Kind, field: Path) -> Self {
        let names = field.segments().iter().map(|name| format!(".\"{name}\"")).collect::<String>();
        let path = quoted(&format!("${names}"));
        let rank = format!(
            "(CASE WHEN json_valid(state) THEN CASE json_type(state, {path}) \
             WHEN 'false' THEN 1 WHEN 'true' THEN 2 WHEN 'integer' THEN 3 WHEN 'real' THEN 3 \
             WHEN 'text' THEN 4 WHEN 'array' THEN 5 WHEN 'object' THEN 5 ELSE 0 END ELSE 0 END)"
        );
        let value = format!(
            "(CASE WHEN json_valid(state) THEN CASE json_type(state, {path}) \
             WHEN 'integer' THEN json_extract(state, {path}) WHEN 'real' THEN json_extract(state, {path}) \
             WHEN 'text' THEN json_extract(state, {path}) ELSE 0 END ELSE 0 END)"
        );
        let of_kind = format!("kind = {} AND state IS NOT NULL", quoted(kind.as_str()));
        Self { path: field, name: format!("indexed_{number}"), rank, value, of_kind }
    }

    fn create(&self) -> String {
        let Self { name, rank, value, of_kind, .. } = self;
        format!("CREATE INDEX {name} ON objects (namespace, {rank}, {value}, id) WHERE {of_kind}")
    }
}

/// Says which of these fields no index can be made over.
pub(super) fn refuse(wanted: &[KindIndexes]) -> Result<(), StoreError> {
    let no_name = |name: &String| name.contains(|c: char| c == '"' || c == '\\' || c.is_control());
    for KindIndexes { kind, paths } in wanted {
        if let Some(path) = paths.iter().find(|path| path.segments().iter().any(no_name)) {
            return Err(StoreError::Unsupported(format!(
                "the field {path} of {kind} cannot be indexed: a name with a quote, a backslash or a control \
                 character has no place in an index of SQLite; give the field another name, or take #[index] off it"
            )));
        }
    }
    Ok(())
}

/// Makes the indexes of these kinds what is wanted. Runs in a transaction.
pub(super) fn make(conn: &Connection, wanted: &[KindIndexes]) -> Result<()> {
    for KindIndexes { kind, paths } in wanted {
        let wanted: BTreeSet<String> = paths.iter().map(Path::to_string).collect();
        for (number, path) in made(conn, kind)? {
            if !wanted.contains(&path) {
                conn.execute_batch(&format!("DROP INDEX IF EXISTS indexed_{number}"))?;
                conn.execute("DELETE FROM indexes WHERE number = ?", [number])?;
            }
        }
        for path in paths {
            let number: i64 =
                conn.query_row("SELECT 1 + coalesce(max(number), 0) FROM indexes", [], |row| row.get(0))?;
            let sql = "INSERT INTO indexes (kind, path, number) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
            if conn.execute(sql, (kind.as_str(), path.to_string(), number))? > 0 {
                conn.execute_batch(&Field::new(number, kind, path.clone()).create())?;
            }
        }
    }
    Ok(())
}

fn made(conn: &Connection, kind: &Kind) -> Result<Vec<(i64, String)>> {
    let mut statement = conn.prepare_cached("SELECT number, path FROM indexes WHERE kind = ?")?;
    let made = statement.query_map([kind.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(made.collect::<Result<_, _>>()?)
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
