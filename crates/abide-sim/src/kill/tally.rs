//! What the parent knows of all calls, and what it finds in the store.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    child::{key_of, kind_of, objects},
    protocol::{Line, Try, What},
};
use crate::{
    check::{
        Outcome, Violation,
        effects::{self, Attempt},
        outbox::{self, Message, Turn},
    },
    scenario::notes::{Received, Sent},
};

/// What an object holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    tokens: Vec<u64>,
    reminded: Vec<u64>,
    sent: u64,
    outgoing: Vec<Sent>,
    incoming: Vec<Received>,
}

/// Everything that was tried and heard.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: BTreeMap<u64, Call>,
    pub(super) answered: u64,
    pub(super) unknown: u64,
    pub(super) retried: u64,
    pub(super) alarms: u64,
    pub(super) messages: u64,
}

#[derive(Debug)]
struct Call {
    call: Try,
    attempts: Vec<Attempt>,
    /// Tried, and nothing heard yet.
    open: bool,
}

impl Tally {
    /// Takes what a child said before it was killed.
    pub(super) fn hear(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Try(call) => {
                    let known = self.calls.entry(call.token).or_insert_with(|| Call {
                        call: call.clone(),
                        attempts: Vec::new(),
                        open: true,
                    });
                    self.retried += u64::from(!known.attempts.is_empty());
                    known.open = true;
                }
                Line::Ok { token, answer } => self.end(*token, Outcome::Ok(answer.clone())),
                Line::No { token } => self.end(*token, Outcome::Failed),
                Line::Maybe { token } => self.end(*token, Outcome::Unknown),
                Line::Ready | Line::Settled => {}
            }
        }
    }

    /// The child is dead: of what is still open nothing will be heard. Returns the keyed calls to retry:
    /// those of which nobody knows what became of them.
    pub(super) fn cut_off(&mut self) -> Vec<Try> {
        let open: Vec<u64> = self.calls.iter().filter(|(_, call)| call.open).map(|(token, _)| *token).collect();
        open.iter().for_each(|token| self.end(*token, Outcome::Unknown));
        let lost = |call: &&Call| call.attempts.last().is_some_and(|last| last.outcome == Outcome::Unknown);
        self.calls.values().filter(|call| call.call.keyed).filter(lost).map(|call| call.call.clone()).collect()
    }

    fn end(&mut self, token: u64, outcome: Outcome<String>) {
        let Some(call) = self.calls.get_mut(&token) else { return };
        call.open = false;
        self.answered += u64::from(outcome.is_acknowledged());
        self.unknown += u64::from(outcome == Outcome::Unknown);
        let key = call.call.keyed.then(|| format!("k{token}"));
        call.attempts.push(Attempt { caller: "load".into(), key, token, returned_ns: 0, outcome });
    }

    /// The first token that is not in use.
    pub(super) fn next_token(&self) -> u64 {
        self.calls.keys().next_back().map_or(1, |token| token + 1_000)
    }

    /// Checks the objects of some rounds; `settled` if nothing is under way any more.
    pub(super) async fn check(
        &mut self,
        url: &str,
        rounds: impl Iterator<Item = u64>,
        settled: bool,
    ) -> Result<(), String> {
        let store = abide_store::open(url).await.map_err(|error| error.to_string())?;
        let faults = store.verify(10).await.map_err(|error| error.to_string())?;
        if !faults.is_empty() {
            return Err(format!("the store is inconsistent: {}", faults.join("; ")));
        }
        let mut states = BTreeMap::new();
        for object in rounds.flat_map(objects) {
            let loaded = store.load(&key_of(&object)).await.map_err(|error| error.to_string())?;
            let state = loaded.and_then(|loaded| loaded.state).map(|state| state.decode::<State>());
            states.insert(object, state.transpose().map_err(|error| error.to_string())?.unwrap_or_default());
        }
        let mut broken: Vec<String> = Vec::new();
        let mut note = |found: Result<(), Violation>| broken.extend(found.err().map(|violation| violation.to_string()));
        for (object, state) in &states {
            note(effects::check(object, &self.attempts(object, What::Add), &state.tokens));
            if settled {
                note(effects::check(object, &self.attempts(object, What::Remind), &state.reminded));
            }
        }
        if settled {
            note(self.check_messages(&states));
            self.alarms = states.values().map(|state| state.reminded.len() as u64).sum();
        }
        broken.extend(states.iter().filter_map(|(object, state)| self.check_sends(object, state)));
        if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
    }

    fn attempts(&self, object: &str, what: What) -> Vec<Attempt> {
        let of_it = self.calls.values().filter(|call| call.call.object == object && call.call.what == what);
        of_it.flat_map(|call| call.attempts.iter().cloned()).collect()
    }

    /// Turns that send carry no token; there must be at least as many as were answered, and no more
    /// than were tried.
    fn check_sends(&self, object: &str, state: &State) -> Option<String> {
        let attempts = self.attempts(object, What::Send);
        let answered = attempts.iter().filter(|attempt| attempt.outcome.is_acknowledged()).count() as u64;
        let possible = attempts.iter().filter(|attempt| attempt.outcome != Outcome::Failed).count() as u64;
        let turns = state.sent / 2;
        let fits = (answered..=possible).contains(&turns);
        (!fits).then(|| format!("{object}: {turns} turns have sent, {answered} were acknowledged, {possible} possible"))
    }

    fn check_messages(&mut self, states: &BTreeMap<String, State>) -> Result<(), Violation> {
        let name = |kind: &str, id: &str| format!("{kind}/{id}");
        let (mut sent, mut applied) = (Vec::new(), Vec::new());
        for (object, state) in states {
            let kind = kind_of(object);
            for Sent { to, n, .. } in &state.outgoing {
                let message = Message { sender: name(kind, object), receiver: name(kind, to), n: *n };
                sent.push((message, Turn::Durable));
            }
            for Received { from, n, .. } in &state.incoming {
                applied.push(Message { sender: name(kind, from), receiver: name(kind, object), n: *n });
            }
        }
        self.messages = applied.len() as u64;
        outbox::check(&sent, &applied)
    }
}
