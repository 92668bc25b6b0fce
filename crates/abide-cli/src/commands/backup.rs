use std::path::PathBuf;

use abide::store::transfer::back_up;
use clap::Args;
use serde_json::json;

use crate::{
    config::format_size,
    failure::{Failure, Outcome},
    moving::{Bar, counted, failed, interruptible, told},
    session::Session,
    store_file,
};

/// Write all that is in a store to a file, also while nodes are running on it.
///
/// The backup is of one moment where the store can do that (SQLite, PostgreSQL): everything acknowledged
/// before is in it. It can be restored into any store.
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
    /// Writes the backup, and only then replaces an older one.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let output = &session.output;
        if self.file.exists() && !self.force {
            return Err(Failure::new("conflict", format!("{} is there already", self.file.display()))
                .hint("give another name, or --force to replace it"));
        }
        let store = store_file::look(&self.store).await?;
        let mut bar = Bar::new(output.is_json());
        let made = async {
            let made = back_up(&*store, &self.file, self.force, |progress| bar.show(progress)).await;
            made.map_err(|error| failed(&error, None))
        };
        let made = interruptible(made, "nothing was written; a backup cannot be gone on with: begin it again").await;
        let seconds = bar.end();
        let made = made?;
        let file = self.file.display().to_string();
        if output.is_json() {
            return output.value(&json!({
                "file": file, "bytes": made.bytes, "backup": made.about, "holds": counted(&made.tally), "seconds": seconds,
            }));
        }
        output.line(format!("wrote {file} ({}): {}", format_size(made.bytes), told(&made.tally)))?;
        if !made.about.one_moment {
            output.note("each object is as it was at one moment, but not all at the same: this store has no other way");
        }
        Ok(())
    }
}
