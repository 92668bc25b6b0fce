use std::path::PathBuf;

use abide::store::{
    shown,
    transfer::{check, restore},
};
use clap::Args;
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    moving::{Bar, counted, failed, interruptible, told},
    session::Session,
    store_file,
    store_target::Target,
};

/// Fill a store, of any sort, with what is in a backup.
///
/// No node may be running on the store. The whole backup is checked before anything is changed. A restore
/// that was broken off goes on where it was when it is repeated.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The backup, as `abide backup` wrote it.
    file: PathBuf,
    /// The store.
    #[arg(long, value_name = "URL", env = "ABIDE_STORE", default_value = store_file::DEFAULT)]
    store: String,
    /// Replace what is in the store: all of it is lost.
    #[arg(long, alias = "force")]
    replace: bool,
    /// Only check the backup, and restore nothing.
    #[arg(long, conflicts_with = "replace")]
    check: bool,
}

impl Restore {
    /// Checks the backup and fills the store.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        if self.check { self.check(session).await } else { self.restore(session).await }
    }

    async fn check(&self, session: &Session) -> Outcome {
        let output = &session.output;
        let mut bar = Bar::new(output.is_json());
        let checked = check(&self.file, |progress| bar.show(progress)).await;
        bar.end();
        let (about, tally) = checked.map_err(|error| failed(&error, Some(&self.file)))?;
        let file = self.file.display();
        match output.is_json() {
            true => output.value(&json!({"file": file.to_string(), "backup": about, "holds": counted(&tally)})),
            false => {
                output.line(format!("{file} is sound: {}, from a {} store at {}", told(&tally), about.store, about.at))
            }
        }
    }

    async fn restore(&self, session: &Session) -> Outcome {
        let output = &session.output;
        let target = Target::open(&self.store, self.replace).await?;
        let mut bar = Bar::new(output.is_json());
        let restored = async {
            let done = restore(&self.file, &*target.store, target.replace, |progress| bar.show(progress)).await;
            done.map_err(|error| failed(&error, Some(&self.file)))
        };
        let restored = interruptible(restored, "").await;
        let seconds = bar.end();
        let restored = match restored {
            Ok(restored) => restored,
            Err(failure) => return Err(self.after(failure, target).await),
        };
        target.finish().await?;
        if output.is_json() {
            return output.value(&json!({
                "store": shown(&self.store), "backup": restored.about, "holds": counted(&restored.tally),
                "went_on_at_row": restored.from, "seconds": seconds,
            }));
        }
        if restored.from > 0 {
            output.note(format!("went on after {} rows that were in already", restored.from));
        }
        output.line(format!("restored {}: {}", shown(&self.store), told(&restored.tally)))
    }

    /// Says how to go on after a failure.
    async fn after(&self, failure: Failure, target: Target) -> Failure {
        let said = failure.advice().is_some_and(|hint| !hint.is_empty());
        let replace = target.replace;
        match target.give_up().await {
            true => failure.hint("a part is restored: repeat the command, and it goes on where it was"),
            false if said => failure,
            false if !replace => failure.hint("--replace replaces all that is in the store"),
            false => failure.hint("nothing was changed"),
        }
    }
}
