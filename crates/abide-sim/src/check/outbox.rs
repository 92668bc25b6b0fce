//! Durable messages are applied once, in order, and only if their turn became durable.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::violation::{Fault, Finding, Promise, Violation};

/// A durable message: the `n`-th of its sender, or any other number that grows from message to
/// message of one sender to one receiver. Together the three fields name a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// The object whose turn sent it.
    pub sender: String,
    /// The object it was sent to.
    pub receiver: String,
    /// Its number.
    pub n: u64,
}

/// What became of the turn that sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// It was committed, so the message must be applied.
    Durable,
    /// It never was: it was rolled back, fenced or lost in a crash. The message must not exist.
    NeverDurable,
    /// Nobody knows; the message may be applied once or not at all.
    Unknown,
}

/// Checks the messages `applied` at their receivers, in the order of application at each, against
/// all that were `sent`, in any order. To be used when nothing is under way any more.
///
/// # Errors
/// A [`Violation`] with these faults, each for one pair of sender and receiver:
/// - [`Fault::Missing`]: sent by a durable turn, never applied.
/// - [`Fault::Duplicate`]: applied more than once, or two durable turns used one number.
/// - [`Fault::OutOfOrder`]: applied after a message with a higher number.
/// - [`Fault::Refused`]: applied, though its turn was never durable.
/// - [`Fault::Invented`]: applied, though no turn sent it.
pub fn check(sent: &[(Message, Turn)], applied: &[Message]) -> Result<(), Violation> {
    let mut pairs: BTreeMap<(&str, &str), Pair> = BTreeMap::new();
    for (message, turn) in sent {
        pairs.entry((&message.sender, &message.receiver)).or_default().sent.push((message.n, *turn));
    }
    for message in applied {
        pairs.entry((&message.sender, &message.receiver)).or_default().applied.push(message.n);
    }
    let mut findings = Vec::new();
    for ((sender, receiver), pair) in &pairs {
        pair.check(&mut |fault, evidence| {
            let object = format!("{sender} to {receiver}");
            findings.push(Finding { promise: Promise::MessagesOnce, fault, object, evidence });
        });
    }
    Violation::unless_empty(findings)
}

/// What went from one sender to one receiver.
#[derive(Default)]
struct Pair {
    sent: Vec<(u64, Turn)>,
    applied: Vec<u64>,
}

impl Pair {
    fn check(&self, found: &mut impl FnMut(Fault, String)) {
        let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, n) in self.applied.iter().enumerate() {
            places.entry(*n).or_default().push(at);
        }
        let durable = self.with(Turn::Durable);
        let known: BTreeSet<u64> = self.sent.iter().map(|(n, _)| *n).collect();
        let possible: BTreeSet<u64> = durable.iter().copied().chain(self.with(Turn::Unknown)).collect();
        for pair in durable.array_windows().filter(|[a, b]| a == b) {
            found(Fault::Duplicate, format!("two durable turns sent message {}", pair[0]));
        }
        for n in durable.iter().collect::<BTreeSet<_>>() {
            if !places.contains_key(n) {
                found(Fault::Missing, format!("message {n} was sent by a durable turn and never applied"));
            }
        }
        for (n, at) in &places {
            if at.len() > 1 {
                found(
                    Fault::Duplicate,
                    format!("message {n} was applied {} times, as number {}", at.len(), Positions(at)),
                );
            }
            if !known.contains(n) {
                found(Fault::Invented, format!("message {n} was applied as number {}, but never sent", Positions(at)));
            } else if !possible.contains(n) {
                found(Fault::Refused, format!("message {n} was applied, but its turn was never durable"));
            }
        }
        self.check_order(found);
    }

    /// Looks at first applications only, so that a repeated message is not also called out of order.
    fn check_order(&self, found: &mut impl FnMut(Fault, String)) {
        let mut seen = BTreeSet::new();
        for n in &self.applied {
            if let (Some(highest), true) = (seen.last().copied(), seen.insert(*n))
                && highest > *n
            {
                found(Fault::OutOfOrder, format!("message {n} was applied after message {highest}"));
            }
        }
    }

    /// The numbers sent by turns with this fate, lowest first.
    fn with(&self, fate: Turn) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.sent.iter().filter(|(_, turn)| *turn == fate).map(|(n, _)| *n).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Positions in the order of application, counted from 1.
struct Positions<'a>(&'a [usize]);

impl fmt::Display for Positions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, position) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at > 0 { ", " } else { "" }, position + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
