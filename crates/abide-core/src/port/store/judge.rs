use super::{Commit, Committed};
use crate::{
    key::{Key, Shard},
    seq::{Epoch, Seq},
};

/// What a batch is judged against, and where what passes is applied.
pub trait Ledger<'c> {
    /// Why the batch fails as a whole.
    type Fault;

    /// The current epoch of a shard; zero where there is no such shard.
    fn epoch(&self, shard: Shard) -> Epoch;

    /// The head of an object after everything that was applied so far; zero if it was never there.
    ///
    /// # Errors
    /// The batch fails.
    fn head(&mut self, key: &Key) -> Result<Seq, Self::Fault>;

    /// Applies a commit that passed.
    ///
    /// # Errors
    /// The batch fails.
    fn apply(&mut self, commit: &'c Commit) -> Result<(), Self::Fault>;
}

/// Judges the commits of a batch in their order, and applies those that pass: groups whole or not at
/// all. One answer for each commit.
///
/// # Errors
/// What the ledger says; what was applied until then has to be undone.
pub fn apply_batch<'c, L: Ledger<'c>>(ledger: &mut L, batch: &'c [Commit]) -> Result<Vec<Committed>, L::Fault> {
    let mut answers = Vec::with_capacity(batch.len());
    for part in batch.chunk_by(|one, next| one.group.is_some() && one.group == next.group) {
        let first = answers.len();
        // An object is at most once in a group: judging all of it before any is applied sees the right heads.
        for commit in part {
            answers.push(judge(ledger, commit)?);
        }
        let judged = &mut answers[first..];
        if judged.iter().all(|answer| *answer == Committed::Done) {
            part.iter().try_for_each(|commit| ledger.apply(commit))?;
        } else {
            let passed = judged.iter_mut().filter(|answer| **answer == Committed::Done);
            passed.for_each(|answer| *answer = Committed::LeftOut);
        }
    }
    Ok(answers)
}

/// What would become of a commit now.
fn judge<'c, L: Ledger<'c>>(ledger: &mut L, commit: &Commit) -> Result<Committed, L::Fault> {
    let current = ledger.epoch(commit.shard);
    if current != commit.epoch {
        return Ok(Committed::Fenced { current });
    }
    let head = ledger.head(&commit.key)?;
    Ok(if head == commit.expected { Committed::Done } else { Committed::Conflict { head } })
}
