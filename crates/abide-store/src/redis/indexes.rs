//! Which fields of which kinds have an index.

use std::collections::BTreeMap;

use abide_core::{Kind, filter::Path};

/// The declared indexes, and how often they were declared anew: commits that do not know of the
/// latest declaration are refused by the script, and encoded again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Declared {
    pub(super) generation: u64,
    pub(super) kinds: BTreeMap<String, Vec<Path>>,
}

impl Declared {
    pub(super) fn paths(&self, kind: &Kind) -> &[Path] {
        self.kinds.get(kind.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Reads the fields of the hash that holds them: a kind, and its paths as a JSON list.
    pub(super) fn read(generation: u64, kinds: impl IntoIterator<Item = (String, String)>) -> Self {
        let paths = |text: &str| -> Vec<Path> {
            let texts: Vec<String> = serde_json::from_str(text).unwrap_or_default();
            texts.iter().filter_map(|text| Path::parse(text).ok()).collect()
        };
        let kinds = kinds.into_iter().map(|(kind, text)| (kind, paths(&text))).collect();
        Self { generation, kinds }
    }
}

/// The paths of a kind as they are stored.
pub(super) fn write(paths: &[Path]) -> String {
    let texts: Vec<String> = paths.iter().map(ToString::to_string).collect();
    serde_json::to_string(&texts).unwrap_or_default()
}
