use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::json;

use crate::{
    config::format_size,
    copy::{copy, open_source, open_target, progress_bar, seal, sqlite_path, sync},
    failure::{Failure, Outcome},
    session::Session,
};

/// Copy a SQLite store to a file, also while a node is running on it.
///
/// The copy is the store as it is at one moment: everything acknowledged before is in it.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The file to write.
    file: PathBuf,
    /// The store.
    #[arg(long, value_name = "URL", env = "ABIDE_STORE", default_value = "sqlite:data/abide.db")]
    store: String,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

impl Backup {
    /// Writes the copy beside its place, checks it, and moves it there.
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let output = &session.output;
        let source = open_source(sqlite_path(&self.store)?)?;
        if self.file.exists() && !self.force {
            return Err(Failure::new("conflict", format!("{} is there already", self.file.display()))
                .hint("give another name, or --force to replace it"));
        }
        let mut partial = self.file.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let written = (|| -> Outcome<u64> {
            let mut target = open_target(&partial)?;
            let bytes = copy(&source, &mut target, &progress_bar(output.is_json()))?;
            seal(&target, &partial)?;
            Ok(bytes)
        })();
        let bytes = written.inspect_err(|_| drop(fs::remove_file(&partial)))?;
        fs::rename(&partial, &self.file)?;
        sync(&self.file)?;
        let file = self.file.display().to_string();
        match output.is_json() {
            true => output.value(&json!({"file": file, "bytes": bytes})),
            false => output.line(format!("wrote {file} ({})", format_size(bytes))),
        }
    }
}
