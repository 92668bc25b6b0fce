//! What clients did and were told.

use std::{collections::BTreeMap, fmt};

use abide_core::{Key, Kind, Namespace};
use abide_node::Object;
use serde_json::Value;

use super::kinds::{Hooked, Lazy, Ledger};
use crate::check::{
    Outcome,
    effects::Attempt,
    linearizability::{CallId, CounterOp, History},
    streams::Watch,
};

/// A ledger of one of the three kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Book {
    pub(crate) kind: &'static str,
    pub(crate) id: &'static str,
}

impl Book {
    /// All of them. Messages and relays stay within a kind.
    pub(crate) const ALL: [Self; 7] = [
        Self { kind: Ledger::KIND, id: "a" },
        Self { kind: Ledger::KIND, id: "b" },
        Self { kind: Ledger::KIND, id: "c" },
        Self { kind: Hooked::KIND, id: "a" },
        Self { kind: Hooked::KIND, id: "b" },
        Self { kind: Lazy::KIND, id: "a" },
        Self { kind: Lazy::KIND, id: "b" },
    ];

    /// Whether it answers before it is durable: a crash may undo what it acknowledged.
    pub(crate) fn is_lazy(self) -> bool {
        self.kind == Lazy::KIND
    }

    /// The ids of the books of the same kind.
    pub(crate) fn siblings(self) -> Vec<&'static str> {
        Self::ALL.iter().filter(|book| book.kind == self.kind).map(|book| book.id).collect()
    }

    pub(crate) fn key(self) -> Key {
        key(self.kind, self.id)
    }
}

/// The key of an object of the simulation.
pub(crate) fn key(kind: &str, id: &str) -> Key {
    let kind = Kind::new(kind).unwrap_or_else(|e| panic!("BUG: {e}"));
    Key::new(&Namespace::default(), &kind, id).unwrap_or_else(|e| panic!("BUG: {e}"))
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// A call on a scratch object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ScratchOp {
    Add(i64),
    Get,
    Delete,
}

/// What is known of one ledger.
#[derive(Debug, Default)]
pub(crate) struct BookRecord {
    pub(crate) history: History<CounterOp, i64>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) reminders: Vec<Attempt>,
    /// On whose behalf timers may have been set.
    pub(crate) timers: Vec<Option<String>>,
}

/// Everything that was recorded.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) books: BTreeMap<Book, BookRecord>,
    pub(crate) scratches: BTreeMap<&'static str, History<ScratchOp, i64>>,
    /// Lives of scratch objects that somebody was told of.
    pub(crate) lives: Vec<(&'static str, u64)>,
    /// First turns that deleted their own object.
    pub(crate) flashes: Vec<Attempt>,
    pub(crate) watches: Vec<(Book, Watch)>,
    /// Transfers between purses, by token.
    pub(crate) transfers: Vec<Attempt>,
    /// The sums over all purses that transactions saw.
    pub(crate) audits: Vec<i64>,
    tokens: u64,
}

impl Records {
    /// A token that no other call has.
    pub(crate) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    pub(crate) fn book(&mut self, book: Book) -> &mut BookRecord {
        self.books.entry(book).or_default()
    }

    /// Begins to watch; the number names the watch from then on.
    pub(crate) fn watch(&mut self, book: Book, watcher: String, seq: u64, state: Value) -> usize {
        self.watches.push((book, Watch { watcher, seq, state, items: Vec::new() }));
        self.watches.len() - 1
    }
}

impl BookRecord {
    /// Ends a call that was recorded in the history.
    pub(crate) fn ended(&mut self, call: CallId, outcome: Outcome<i64>, at_ns: u64) {
        self.history.returned(call, outcome, at_ns);
    }
}

/// One attempt of a call, as the effects checker wants it.
pub(crate) fn attempt<R: ToString>(
    client: u64,
    key: Option<&str>,
    token: u64,
    outcome: &Outcome<R>,
    at_ns: u64,
) -> Attempt {
    let outcome = match outcome {
        Outcome::Ok(answer) => Outcome::Ok(answer.to_string()),
        Outcome::Failed => Outcome::Failed,
        Outcome::Unknown => Outcome::Unknown,
    };
    Attempt { caller: format!("client {client}"), key: key.map(str::to_owned), token, returned_ns: at_ns, outcome }
}
