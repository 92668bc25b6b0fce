//! `abide gen`: types for programs in other languages, from what a node says of its kinds.

mod names;
mod typescript;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    failure::{Failure, Outcome},
    session::Session,
};

/// Write types for clients, from the kinds of the node.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  abide gen ts --out src/kinds.ts        the types of every kind
  abide gen ts Counter Wallet            those of two, to standard output")]
pub(crate) struct Generate {
    #[command(subcommand)]
    language: Language,
}

#[derive(Debug, Subcommand)]
enum Language {
    /// TypeScript, for @abide/client: `connect<Kinds>(url)`.
    Ts {
        /// The kinds [default: all].
        kinds: Vec<String>,
        /// The file to write [default: standard output].
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Generate {
    /// Asks the node and writes the types.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let Language::Ts { kinds, out } = self.language;
        let answer = session.client()?.get("/v1/kinds").await?;
        let known = answer["kinds"].as_array().map_or(&[][..], Vec::as_slice);
        let text = typescript::module(&chosen(known, &kinds)?);
        let Some(file) = out else {
            return session.output.line(text.trim_end());
        };
        std::fs::write(&file, text)
            .map_err(|error| Failure::new("file", format!("{} cannot be written: {error}", file.display())))?;
        session.output.note(format!("wrote {}", file.display()));
        Ok(())
    }
}

/// The kinds that are asked for, or all, in the order of their names.
fn chosen<'k>(known: &'k [Value], names: &[String]) -> Result<Vec<&'k Value>, Failure> {
    let name = |kind: &Value| kind["kind"].as_str().unwrap_or_default().to_owned();
    if let Some(unknown) = names.iter().find(|asked| !known.iter().any(|kind| name(kind) == **asked)) {
        let there = Vec::from_iter(known.iter().map(name)).join(", ");
        return Err(Failure::new("unknown_kind", format!("the node has no kind {unknown:?}; it has {there}")));
    }
    let mut kinds = Vec::from_iter(known.iter().filter(|kind| names.is_empty() || names.contains(&name(kind))));
    kinds.sort_by_key(|kind| name(kind));
    Ok(kinds)
}
