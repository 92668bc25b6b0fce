//! On whose behalf alarms, timers and messages were asked for, and on whose they ran.

use std::collections::BTreeMap;

use super::{
    notes::{AlarmNote, BookState, Late, Received},
    records::{Book, BookRecord},
};
use crate::check::{
    Violation,
    behalf::{self, Errand},
};

/// Everything that any ledger asked for.
pub(super) struct Errands(BTreeMap<Book, Vec<Errand>>);

impl Errands {
    /// What turns wrote down, and (of timers, which leave no note) what clients tried.
    pub(super) fn new<'a>(books: impl Iterator<Item = (Book, &'a BookState, &'a BookRecord)>) -> Self {
        let mut all: BTreeMap<Book, Vec<Errand>> = BTreeMap::new();
        for (book, state, record) in books {
            for message in &state.outgoing {
                let errand = Errand { what: message_of(book.id, message.n), who: message.who.clone() };
                let receiver = Book::ALL.into_iter().find(|other| other.kind == book.kind && other.id == message.to);
                all.entry(receiver.unwrap_or(book)).or_default().push(errand);
            }
            let own = all.entry(book).or_default();
            own.extend(state.alarms.iter().filter_map(|note| match note {
                AlarmNote::Set { id, who, .. } => Some(Errand { what: alarm_of(*id), who: who.clone() }),
                AlarmNote::Cancelled { .. } | AlarmNote::Fired { .. } => None,
            }));
            let timer = |who: &Option<String>| Errand { what: timer_of(who.is_some()), who: who.clone() };
            own.extend(record.timers.iter().map(timer));
        }
        Self(all)
    }

    /// Checks what ran on a ledger.
    pub(super) fn check(&self, book: Book, state: &BookState) -> Result<(), Violation> {
        let alarms = state.alarms.iter().filter_map(|note| match note {
            AlarmNote::Fired { id, who, .. } => Some(Errand { what: alarm_of(*id), who: who.clone() }),
            AlarmNote::Set { .. } | AlarmNote::Cancelled { .. } => None,
        });
        let message = |Received { from, n, who }: &Received| Errand { what: message_of(from, *n), who: who.clone() };
        let timer = |Late { named, who }: &Late| Errand { what: timer_of(*named), who: who.clone() };
        let later = state.incoming.iter().map(message).chain(state.late.iter().map(timer));
        let ran: Vec<Errand> = alarms.chain(later).collect();
        let asked = self.0.get(&book).map_or(&[][..], Vec::as_slice);
        behalf::check(&book.to_string(), asked, &ran)
    }
}

fn alarm_of(id: u64) -> String {
    format!("alarm #{id}")
}

fn message_of(sender: &str, n: u64) -> String {
    format!("message {n} of {sender}")
}

fn timer_of(named: bool) -> String {
    format!("a timer of {}", if named { "somebody" } else { "nobody" })
}
