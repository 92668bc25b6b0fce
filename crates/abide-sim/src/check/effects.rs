//! No acknowledged effect is lost, and a keyed call takes effect once.
//!
//! The object under test keeps an append-only list of tokens; each call appends the token it was
//! given. At the end the list is held against what the callers were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::outcome::Outcome;
use super::violation::{At, Fault, Finding, Promise, Violation};

/// One attempt of a call that appends `token`.
///
/// Without a key every attempt has its own token. Attempts with the same caller and key are retries
/// of one call: between them they may append once, and all that are answered must be answered the
/// same. They may carry the same token or (to tell the attempts apart) each its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Who called. Keys of different callers have nothing to do with each other.
    pub caller: String,
    /// The idempotency key, if there is one.
    pub key: Option<String>,
    /// What the call appends.
    pub token: u64,
    /// When it was answered or given up, in virtual nanoseconds; for the reader only.
    pub returned_ns: u64,
    /// What the caller knows, with the answer as it came.
    pub outcome: Outcome<String>,
}

/// Checks the tokens `present` in the state of `object` at the end, in their order, against all
/// `attempts` ever made on it.
///
/// # Errors
/// A [`Violation`] with these faults:
/// - [`Fault::Missing`]: acknowledged, but not there.
/// - [`Fault::Duplicate`]: one token twice, or two tokens of one keyed call.
/// - [`Fault::Refused`]: every attempt with this token certainly failed, but it is there.
/// - [`Fault::Invented`]: nobody ever called with this token.
/// - [`Fault::Disagreement`]: answers to attempts of one keyed call that differ.
///
/// # Panics
/// If two calls share a token: then the list cannot tell them apart.
pub fn check(object: &str, attempts: &[Attempt], present: &[u64]) -> Result<(), Violation> {
    let calls = calls(attempts);
    let places = places(present);
    let mut findings = Findings { object, list: Vec::new() };
    let mut known = BTreeSet::new();
    for (name, attempts) in &calls {
        for token in attempts.iter().map(|attempt| attempt.token).collect::<BTreeSet<_>>() {
            assert!(known.insert(token), "BUG: token {token} belongs to more than one call");
        }
        check_call(name, attempts, &places, &mut findings);
    }
    for (token, at) in places.iter().filter(|(token, _)| !known.contains(token)) {
        let evidence = format!("token {token} at position {} was in no call", list(at));
        findings.add(Promise::NoLostEffect, Fault::Invented, evidence);
    }
    Violation::unless_empty(findings.list)
}

/// What makes attempts one call: caller and key, or for want of a key the token itself.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CallName<'a> {
    Keyed { caller: &'a str, key: &'a str },
    Once { caller: &'a str, token: u64 },
}

impl fmt::Display for CallName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyed { caller, key } => write!(f, "the call of {caller} with key {key:?}"),
            Self::Once { caller, token } => write!(f, "the call of {caller} with token {token}"),
        }
    }
}

/// The attempts of each call, in the order they were recorded.
fn calls(attempts: &[Attempt]) -> BTreeMap<CallName<'_>, Vec<&Attempt>> {
    let mut calls: BTreeMap<CallName<'_>, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        let caller = attempt.caller.as_str();
        let name = match &attempt.key {
            Some(key) => CallName::Keyed { caller, key },
            None => CallName::Once { caller, token: attempt.token },
        };
        calls.entry(name).or_default().push(attempt);
    }
    calls
}

/// Where each token is in the list.
fn places(present: &[u64]) -> BTreeMap<u64, Vec<usize>> {
    let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, token) in present.iter().enumerate() {
        places.entry(*token).or_default().push(at);
    }
    places
}

fn check_call(
    name: &CallName<'_>,
    attempts: &[&Attempt],
    places: &BTreeMap<u64, Vec<usize>>,
    findings: &mut Findings<'_>,
) {
    let tokens: BTreeSet<u64> = attempts.iter().map(|attempt| attempt.token).collect();
    let found: Vec<usize> = tokens.iter().filter_map(|token| places.get(token)).flatten().copied().collect();
    let answered = attempts.iter().find_map(|attempt| Some((attempt, attempt.outcome.answer()?)));
    let once = match name {
        CallName::Keyed { .. } => Promise::OnceByKey,
        CallName::Once { .. } => Promise::NoLostEffect,
    };
    if let (Some((attempt, answer)), true) = (answered, found.is_empty()) {
        let at = At(attempt.returned_ns);
        let evidence =
            format!("{name} was acknowledged at {at} with {answer:?}, but token {} is not in the state", list(&tokens));
        findings.add(Promise::NoLostEffect, Fault::Missing, evidence);
    }
    if found.len() > 1 {
        let evidence =
            format!("{name} took effect {} times: token {} at positions {}", found.len(), list(&tokens), list(&found));
        findings.add(once, Fault::Duplicate, evidence);
    }
    for token in &tokens {
        let mut of_token = attempts.iter().filter(|attempt| attempt.token == *token);
        if of_token.all(|attempt| attempt.outcome == Outcome::Failed) && places.contains_key(token) {
            let evidence = format!("{name} was refused, but token {token} is in the state");
            findings.add(once, Fault::Refused, evidence);
        }
    }
    if let CallName::Keyed { .. } = name {
        check_answers(name, attempts, findings);
    }
}

/// Finds the first answer that differs from the one before it.
fn check_answers(name: &CallName<'_>, attempts: &[&Attempt], findings: &mut Findings<'_>) {
    let answers: Vec<(&String, u64)> =
        attempts.iter().filter_map(|attempt| Some((attempt.outcome.answer()?, attempt.returned_ns))).collect();
    if let Some([(one, one_ns), (other, other_ns)]) = answers.array_windows().find(|[(a, _), (b, _)]| a != b) {
        let (one_at, other_at) = (At(*one_ns), At(*other_ns));
        let evidence = format!("{name} was answered {one:?} at {one_at} and {other:?} at {other_at}");
        findings.add(Promise::OnceByKey, Fault::Disagreement, evidence);
    }
}

/// Findings about one object.
struct Findings<'a> {
    object: &'a str,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, promise: Promise, fault: Fault, evidence: String) {
        self.list.push(Finding { promise, fault, object: self.object.to_owned(), evidence });
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
