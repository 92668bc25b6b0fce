use serde::{Deserialize, Serialize};

/// What is in a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The store's name.
    pub store: String,
    /// A ULID made when the store was created: positions of another store mean nothing in this one.
    pub id: String,
    /// The schema version of its tables.
    pub schema: u32,
    /// Objects by kind, graves not counted.
    pub objects: Vec<(String, u64)>,
    /// Indexed fields: kind and path, in this order.
    pub indexes: Vec<(String, String)>,
    /// Kept changes.
    pub changes: u64,
    /// Pending alarms.
    pub alarms: u64,
    /// Alarms given up.
    pub dead_alarms: u64,
    /// Messages not yet delivered.
    pub outbox: u64,
    /// Kept outcomes.
    pub outcomes: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// The import that is not finished, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importing: Option<Importing>,
}

/// How far an import has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Importing {
    /// What the rows come from.
    pub source: String,
    /// How many are in.
    pub rows: u64,
}
