use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::json;

use crate::{
    config::format_size,
    failure::{Failure, Outcome},
    session::Session,
    store_file,
};

/// Copy a SQLite store to a file, also while a node is running on it.
///
/// The copy is the store as it is at one moment: everything acknowledged before is in it.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The file to write.
    file: PathBuf,
    /// The store.
    #[arg(long, value_name = "URL", env = "ABIDE_STORE", default_value = store_file::DEFAULT)]
    store: String,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

impl Backup {
    /// Writes the copy, and only then replaces an older one.
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let output = &session.output;
        let store = store_file::open(store_file::path(&self.store)?, false)?;
        if self.file.exists() && !self.force {
            return Err(Failure::new("conflict", format!("{} is there already", self.file.display()))
                .hint("give another name, or --force to replace it"));
        }
        let fresh = store_file::beside(&self.file, ".fresh");
        let _ = fs::remove_file(&fresh);
        let bar = store_file::progress_bar(output.is_json(), "{bar:40} {percent}% of {len} pages, {eta} left");
        let copied = store.backup(&fresh, |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        copied?;
        fs::rename(&fresh, &self.file)?;
        let (file, bytes) = (self.file.display().to_string(), fs::metadata(&self.file)?.len());
        match output.is_json() {
            true => output.value(&json!({"file": file, "bytes": bytes})),
            false => output.line(format!("wrote {file} ({})", format_size(bytes))),
        }
    }
}
