//! The one task that writes: it takes what waits, sends it together, and gives out the answers, while the next goes out.

use std::sync::Arc;

use abide_core::{
    Epoch, Seq, StoreError,
    port::store::{Commit, Committed},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::RwLock;
use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};

use super::{
    distobject::Layouts,
    encode,
    fault::{Fault, damaged},
    indexes::Declared,
    link::Servers,
    names::Names,
    reply,
    turn::{Repeated, Turn},
};

/// How much is sent together at most: commands, and commits in them.
const ROUND_REQUESTS: usize = 256;
const ROUND_COMMITS: usize = 4_096;
/// Rounds under way at a time: while the server works on one, the next is encoded and sent. They go over one
/// connection in the order they came. They know of the same indexes, so that where one is refused, the one
/// behind it is, too; and what has to be sent again keeps its order, before anything new.
const ROUNDS: usize = 2;
/// How often commits are encoded anew because indexes were declared meanwhile.
const DECLARED_TRIES: usize = 3;

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is asked of the writer.
pub(super) enum Request {
    Commit {
        batch: Vec<Commit>,
        answer: Answer<Vec<Committed>>,
    },
    /// Commands to parts; all are sent, in order.
    Run {
        commands: Vec<(u16, Cmd)>,
        answer: Answer<Vec<Value>>,
    },
    /// Answers when all before it are done.
    Close {
        answer: Answer<()>,
    },
}

/// What the writer shares with the store.
pub(super) struct Shared {
    pub(super) names: Names,
    pub(super) writes: Servers,
    pub(super) reads: Servers,
    pub(super) declared: RwLock<Arc<Declared>>,
    pub(super) layouts: RwLock<Arc<Layouts>>,
}

/// A request of this round, as commands.
struct Work {
    request: Request,
    /// Of a batch: which of its commits each command holds.
    places: Vec<Vec<usize>>,
    first: usize,
    commands: usize,
}

pub(super) async fn run(shared: Arc<Shared>, mut requests: mpsc::Receiver<Request>) {
    let repeated = Repeated::default();
    let mut under_way = FuturesUnordered::new();
    let mut waiting = Vec::new();
    let (mut generation, mut before) = (0, None);
    loop {
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            count = requests.recv_many(&mut waiting, ROUND_REQUESTS), if under_way.len() < ROUNDS && repeated.is_none() => {
                if count == 0 {
                    break;
                }
                for round in rounds(&mut waiting) {
                    let ends = round.iter().any(|request| matches!(request, Request::Close { .. }));
                    let declared = loop {
                        let declared = shared.declared.read().clone();
                        let same = declared.generation == generation && repeated.is_none();
                        if under_way.is_empty() || same && !ends && under_way.len() < ROUNDS {
                            break declared;
                        }
                        under_way.next().await;
                    };
                    generation = declared.generation;
                    let (turn, end) = Turn::behind(before.take(), &repeated);
                    before = Some(end);
                    under_way.push(write(&shared, declared, turn, round));
                }
            }
        }
    }
    while under_way.next().await.is_some() {}
}

/// What waits, in the order it came, as rounds that are not too large.
fn rounds(waiting: &mut Vec<Request>) -> Vec<Vec<Request>> {
    let mut rounds = vec![Vec::new()];
    let mut commits = 0;
    for request in waiting.drain(..) {
        if commits >= ROUND_COMMITS {
            rounds.push(Vec::new());
            commits = 0;
        }
        commits += request.commits();
        rounds.last_mut().expect("BUG: there is always a round").push(request);
    }
    rounds
}

impl Request {
    fn commits(&self) -> usize {
        match self {
            Self::Commit { batch, .. } => batch.len(),
            Self::Run { .. } | Self::Close { .. } => 1,
        }
    }
}

async fn write(shared: &Shared, mut declared: Arc<Declared>, mut turn: Turn<'_>, mut requests: Vec<Request>) {
    for _ in 0..DECLARED_TRIES {
        requests = attempt(shared, &declared, &mut turn, requests).await;
        if requests.is_empty() {
            return;
        }
        turn.again().await;
        declared = match super::indexing::reload(shared).await {
            Ok(declared) => declared,
            Err(error) => return requests.into_iter().for_each(|request| request.fail(&error)),
        };
    }
    let error = StoreError::Unavailable("indexes are being declared again and again".into());
    requests.into_iter().for_each(|request| request.fail(&error));
}

/// Sends requests and answers them; those that have to be encoded anew come back.
async fn attempt(shared: &Shared, declared: &Declared, turn: &mut Turn<'_>, requests: Vec<Request>) -> Vec<Request> {
    let layouts = shared.layouts.read().clone();
    let mut commands: Vec<(u16, Cmd)> = Vec::new();
    let mut round = Vec::with_capacity(requests.len());
    for request in requests {
        let first = commands.len();
        let mut places = Vec::new();
        match &request {
            Request::Commit { batch, .. } => {
                for (part, of_part) in by_part(&shared.names, batch) {
                    let commits = of_part.iter().map(|n| &batch[*n]);
                    let cmd = encode::commits(&shared.names, declared, &layouts, part, commits);
                    commands.push((shared.names.slot(part), cmd));
                    places.push(of_part);
                }
            }
            Request::Run { commands: own, .. } => commands.extend(own.iter().cloned()),
            Request::Close { .. } => {}
        }
        round.push(Work { request, places, first, commands: commands.len() - first });
    }
    let sent: Vec<_> = commands.iter().map(|(slot, cmd)| (*slot, cmd)).collect();
    let mut answers = if sent.is_empty() { Vec::new() } else { shared.writes.send_in(turn, &sent).await };
    let mut answered = Vec::with_capacity(round.len());
    for work in round.into_iter().rev() {
        let own = answers.split_off(work.first);
        debug_assert_eq!(own.len(), work.commands);
        answered.push((work, own));
    }
    let mut again = Vec::new();
    for (work, own) in answered.into_iter().rev() {
        match work.request {
            // Not before all that came before it.
            Request::Close { .. } if !again.is_empty() => again.push(work.request),
            _ => again.extend(work.settle(own)),
        }
    }
    again
}

/// The commits of each part, by their place in the batch.
fn by_part(names: &Names, batch: &[Commit]) -> Vec<(u32, Vec<usize>)> {
    if names.parts == 1 && !batch.is_empty() {
        return vec![(0, (0..batch.len()).collect())];
    }
    let mut parts: Vec<(u32, Vec<usize>)> = Vec::new();
    for (n, commit) in batch.iter().enumerate() {
        let part = names.part_of(commit.shard);
        match parts.iter_mut().find(|(other, _)| *other == part) {
            Some((_, places)) => places.push(n),
            None => parts.push((part, vec![n])),
        }
    }
    parts
}

impl Request {
    fn fail(self, error: &StoreError) {
        match self {
            Self::Commit { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Run { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Close { answer } => drop(answer.send(Ok(()))),
        }
    }
}

impl Work {
    /// Gives the answer, or the request back if its commits know of older indexes.
    fn settle(self, answers: Vec<Result<Value, Fault>>) -> Option<Request> {
        let old = |answer: &Result<Value, Fault>| matches!(answer, Ok(value) if reply::is_refusal(value));
        match self.request {
            Request::Commit { batch, answer } => {
                if !answers.is_empty() && answers.iter().all(old) {
                    return Some(Request::Commit { batch, answer });
                }
                let settled = all(answers).and_then(|values| committed(batch.len(), &self.places, &values));
                let _ = answer.send(settled);
            }
            Request::Run { answer, .. } => drop(answer.send(all(answers))),
            Request::Close { answer } => drop(answer.send(Ok(()))),
        }
        None
    }
}

/// All values, or what the request fails with: nothing changed only if that holds for every part of it.
fn all(answers: Vec<Result<Value, Fault>>) -> Result<Vec<Value>, StoreError> {
    let parts = answers.len();
    let mut values = Vec::with_capacity(parts);
    let mut refused = None;
    let mut unanswered = None;
    for answer in answers {
        match answer {
            Ok(value) if reply::is_refusal(&value) => refused = Some(Fault::Moved.into_error()),
            Ok(value) => values.push(value),
            Err(Fault::Unanswered(why)) => unanswered = Some(why),
            Err(fault) => refused = Some(fault.into_error()),
        }
    }
    match (refused, unanswered) {
        (None, None) => Ok(values),
        (_, Some(why)) => Err(StoreError::Unknown(why)),
        (Some(error), None) if values.is_empty() => Err(error),
        (Some(error), None) => {
            Err(StoreError::Unknown(format!("{} of {parts} parts of the batch were done, then: {error}", values.len())))
        }
    }
}

fn committed(commits: usize, places: &[Vec<usize>], values: &[Value]) -> Result<Vec<Committed>, StoreError> {
    let mut found = vec![None; commits];
    for (places, value) in places.iter().zip(values) {
        let answers = reply::texts(value)?;
        if answers.len() != places.len() {
            return Err(damaged(format!("{} answers to {} commits", answers.len(), places.len())));
        }
        for (place, text) in places.iter().zip(answers) {
            found[*place] = Some(one(&text)?);
        }
    }
    found.into_iter().collect::<Option<_>>().ok_or_else(|| damaged("a commit has no answer"))
}

fn one(text: &str) -> Result<Committed, StoreError> {
    let number = |digits: &str| digits.parse().map_err(|_| damaged(format!("a commit was answered {text:?}")));
    match text.split_at_checked(1) {
        Some(("D", "")) => Ok(Committed::Done),
        Some(("L", "")) => Ok(Committed::LeftOut),
        Some(("F", epoch)) => Ok(Committed::Fenced { current: Epoch::new(number(epoch)?) }),
        Some(("C", head)) => Ok(Committed::Conflict { head: Seq::new(number(head)?) }),
        _ => Err(damaged(format!("a commit was answered {text:?}"))),
    }
}
