use abide::store::{shown, transfer::copy};
use clap::Args;
use serde_json::json;

use crate::{
    failure::Outcome,
    moving::{Bar, counted, failed, interruptible, told},
    session::Session,
    store_file,
    store_target::Target,
};

/// Copy all that is in a store into another one, of any sort.
///
/// Stop the nodes first: what changes after the copy began is not in it. No node may be running on the
/// second store. A copy that was broken off begins again when it is repeated.
#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// The store to copy.
    from: String,
    /// The store to fill.
    to: String,
    /// Replace what is in the second store: all of it is lost.
    #[arg(long)]
    replace: bool,
}

impl Copy {
    /// Copies it.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let output = &session.output;
        let from = store_file::look(&self.from).await?;
        let target = Target::open(&self.to, self.replace).await?;
        let mut bar = Bar::new(output.is_json());
        let copied = async {
            let done = copy(&*from, &*target.store, target.replace, |progress| bar.show(progress)).await;
            done.map_err(|error| failed(&error, None))
        };
        let copied = interruptible(copied, "").await;
        let seconds = bar.end();
        let copied = match copied {
            Ok(copied) => copied,
            Err(failure) => {
                return Err(match target.give_up().await {
                    true => failure.hint("a part is copied, and no node takes it for a store: repeat the command"),
                    false => failure.hint("nothing was changed"),
                });
            }
        };
        target.finish().await?;
        let (from_url, to_url) = (shown(&self.from), shown(&self.to));
        match output.is_json() {
            true => output.value(&json!({
                "from": from_url, "to": to_url, "holds": counted(&copied.tally),
                "one_moment": copied.one_moment, "seconds": seconds,
            })),
            false => output.line(format!("copied {from_url} to {to_url}: {}", told(&copied.tally))),
        }
    }
}
