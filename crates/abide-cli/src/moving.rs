//! What commands that move stores have in common.

use std::{fmt, fs::File, io::Read, path::Path, time::Instant};

use abide::{
    port::store::Tally,
    store::transfer::{Progress, TransferError},
};
use indicatif::{HumanCount, HumanFloatCount, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};

/// A bar on standard error that shows how far a transfer is, and how fast.
pub(crate) struct Bar {
    bar: ProgressBar,
    checking: bool,
    begun: Instant,
}

impl Bar {
    /// A bar; hidden with `--json`.
    #[expect(clippy::disallowed_methods, reason = "people are shown how long it really took")]
    pub(crate) fn new(hidden: bool) -> Self {
        let bar = if hidden { ProgressBar::hidden() } else { ProgressBar::new(0) };
        Self { bar: bar.with_style(style(MOVING)), checking: false, begun: Instant::now() }
    }

    /// Shows it.
    pub(crate) fn show(&mut self, progress: Progress) {
        let (checking, done, total) = match progress {
            Progress::Checked { done, total } => (true, done, total),
            Progress::Moved { done, total } => (false, done, total),
        };
        if checking != self.checking {
            self.checking = checking;
            self.bar.set_style(style(if checking { CHECKING } else { MOVING }));
            self.bar.reset();
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Takes it away and says how many seconds it was there.
    pub(crate) fn end(self) -> f64 {
        self.bar.finish_and_clear();
        self.begun.elapsed().as_secs_f64()
    }
}

const MOVING: &str = "{bar:40} {percent}% of {human_len} rows, {whole_per_sec}, {eta} left";
const CHECKING: &str = "{bar:40} checking {bytes} of {total_bytes}, {eta} left";

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("whole_per_sec", |state: &ProgressState, to: &mut dyn fmt::Write| {
        let _ = write!(to, "{}", whole_per_sec(state.per_sec()));
    })
}

/// A rate for people, who are not helped by parts of a row.
fn whole_per_sec(rate: f64) -> String {
    format!("{:.0}/s", HumanFloatCount(rate))
}

/// Does something until it is done, or until the user interrupts it. What to do then is in `hint`.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Outcome<T>>, hint: &str) -> Outcome<T> {
    tokio::select! {
        done = work => done,
        asked = tokio::signal::ctrl_c() => {
            asked?;
            Err(Failure::new("interrupted", "interrupted").hint(hint))
        }
    }
}

/// What rows add up to, for programs.
pub(crate) fn counted(tally: &Tally) -> Value {
    let mut counted = json!(tally);
    counted["rows"] = json!(tally.rows());
    counted
}

/// What rows add up to, for people.
pub(crate) fn told(tally: &Tally) -> String {
    let parts = [
        (tally.objects, "object", "objects"),
        (tally.changes, "change", "changes"),
        (tally.alarms, "alarm", "alarms"),
        (tally.received, "mark of messages received", "marks of messages received"),
        (tally.outcomes, "outcome", "outcomes"),
        (tally.messages, "message under way", "messages under way"),
    ];
    let told = |(count, one, many): &(u64, _, _)| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{} {many}", HumanCount(*count))),
    };
    let parts: Vec<String> = parts.iter().filter_map(told).collect();
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}

/// A failed transfer, with what to do about it.
pub(crate) fn failed(error: &TransferError, backup: Option<&Path>) -> Failure {
    let code = match error {
        TransferError::Backup { .. } => "backup",
        TransferError::Exists { .. } | TransferError::Busy { .. } | TransferError::Same { .. } => "conflict",
        TransferError::Source(_) | TransferError::Target(_) => "store",
    };
    let failure = Failure::new(code, error.to_string());
    match backup.filter(|_| matches!(error, TransferError::Backup { .. })) {
        Some(file) if is_sqlite(file) => failure
            .hint(format!("this is a SQLite store itself: `abide store copy sqlite:{} URL` takes it", file.display())),
        _ => failure,
    }
}

fn is_sqlite(file: &Path) -> bool {
    let mut begin = [0; 15];
    File::open(file).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && &begin == b"SQLite format 3"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_by_their_names_and_rates_without_parts_of_a_row() {
        let tally = Tally { objects: 100_002, changes: 1, received: 1, ..Tally::default() };
        assert_eq!(told(&tally), "100,002 objects, 1 change, 1 mark of messages received");
        assert_eq!(told(&Tally::default()), "nothing");
        assert_eq!(whole_per_sec(33_165.357_6), "33,165/s");
    }
}
