//! The process that is killed.

use std::{
    io::{BufRead, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use abide_core::{Error, Json, Namespace, Store, port::store::AlarmsQuery};
use abide_node::{Node, NodeBuilder, Object, Reply};
use tokio::time::sleep;

use super::protocol::{Line, Try, What};
use crate::{
    dice::Dice,
    scenario::{
        Mutation,
        kinds::{Hooked, Ledger},
        records::key,
    },
};

/// How many calls are under way at the same time.
const TASKS: u64 = 12;
/// How many objects a round writes to.
const OBJECTS: u64 = 6;

/// What a child is told to do.
#[derive(Clone, Debug)]
pub struct ChildOptions {
    /// The URL of the store.
    pub store: String,
    /// Which round it is: objects have it in their names.
    pub round: u64,
    /// The first token that may be used.
    pub token: u64,
    /// The seed of the load.
    pub seed: u64,
    /// No load: let everything come to rest, then stop in good order.
    pub settle: bool,
    /// Break this promise on purpose, to see that the loop notices.
    pub mutation: Option<Mutation>,
}

/// Runs a node under load until it is killed; or, to settle, until nothing is under way.
///
/// # Errors
/// With a sentence, if the node does not start or does not come to rest.
pub fn run_child(options: &ChildOptions) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(live(options))
}

async fn live(options: &ChildOptions) -> Result<(), String> {
    let store = abide_store::open(&options.store).await.map_err(|error| error.to_string())?;
    let mutant = match options.mutation {
        Some(Mutation::Node(mutant)) => Some(mutant),
        Some(Mutation::NoFence) => return Err("NoFence is a mutant of the simulated store".into()),
        None => None,
    };
    let node = NodeBuilder::new(store.clone())
        .configure(|options| options.mutant = mutant)
        .register::<Ledger>()
        .register::<Hooked>()
        .start()
        .await
        .map_err(|error| error.to_string())?;
    say(&Line::Ready);
    if options.settle {
        return settle(&node, &store).await;
    }
    let retries = std::io::stdin().lock().lines();
    let retries: Vec<Try> = retries.map_while(Result::ok).filter_map(|line| line.parse().ok()).collect();
    let load = Arc::new(Load { node, round: options.round, token: AtomicU64::new(options.token) });
    let mut tasks = tokio::task::JoinSet::new();
    for retry in retries {
        let load = load.clone();
        tasks.spawn(async move { drop(load.call(retry, &mut Dice::new(0)).await) });
    }
    for task in 0..TASKS {
        let (load, dice) = (load.clone(), Dice::part(options.seed, &format!("task {task}")));
        tasks.spawn(load.work(dice));
    }
    tasks.join_all().await;
    Ok(())
}

/// Writes a line whole, at once: what was said before a kill has been said.
fn say(line: &Line) {
    let text = format!("{line}\n");
    let mut out = std::io::stdout().lock();
    // If nobody listens, the process is about to end.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

struct Load {
    node: Node,
    round: u64,
    token: AtomicU64,
}

impl Load {
    async fn work(self: Arc<Self>, mut dice: Dice) {
        loop {
            let call = self.draw(&mut dice);
            let heard = self.call(call, &mut dice).await;
            // Where the database is away, every call may fail at once.
            if matches!(heard, Line::No { .. }) {
                sleep(Duration::from_millis(20)).await;
            }
            if dice.chance(0.1) {
                sleep(dice.millis(0..=20)).await;
            }
            if dice.chance(0.01) {
                self.node.evict_idle();
            }
        }
    }

    fn draw(&self, dice: &mut Dice) -> Try {
        let what = *dice.pick(&[What::Add, What::Add, What::Remind, What::Send]);
        let token = self.token.fetch_add(1, Ordering::Relaxed);
        Try { what, object: self.object(dice), token, keyed: what != What::Send && dice.chance(0.5) }
    }

    fn object(&self, dice: &mut Dice) -> String {
        format!("r{}-{}", self.round, dice.below(OBJECTS))
    }

    /// Makes a call, and says that it does and what it is told.
    async fn call(&self, call: Try, dice: &mut Dice) -> Line {
        say(&Line::Try(call.clone()));
        let Try { what, object, token, keyed } = call;
        let kind = kind_of(&object);
        let request = match what {
            What::Add => self.node.call::<Json>(kind, &object, "add", (token, 1)),
            What::Remind => self.node.call(kind, &object, "remind", (token, dice.below(1_500))),
            What::Send => {
                let to = [sibling(&object, dice), sibling(&object, dice)];
                self.node.call(kind, &object, "send", (to, [false, false]))
            }
        };
        // A retry has to carry the arguments of the first try: a reminder's time is drawn from its token.
        let request = match (what, keyed) {
            (What::Remind, true) => self.node.call(kind, &object, "remind", (token, token % 1_500)),
            _ => request,
        };
        let request = if keyed { request.key(format!("k{token}")) } else { request };
        let line = heard(token, request.json().await);
        say(&line);
        line
    }
}

fn heard(token: u64, answer: Result<Reply<Json>, Error>) -> Line {
    match answer {
        Ok(reply) => Line::Ok { token, answer: reply.value.as_str().to_owned() },
        Err(error) if error.is_maybe_applied() => Line::Maybe { token },
        Err(_) => Line::No { token },
    }
}

/// Every third object is of the kind with hooks.
pub(super) fn kind_of(object: &str) -> &'static str {
    let last = object.bytes().last().unwrap_or(b'0');
    if last.is_multiple_of(3) { Hooked::KIND } else { Ledger::KIND }
}

/// Another object of the same round and kind, or the same one.
fn sibling(object: &str, dice: &mut Dice) -> String {
    let round = object.split('-').next().unwrap_or(object);
    let choices: Vec<String> = (0..OBJECTS)
        .map(|number| format!("{round}-{number}"))
        .filter(|sibling| kind_of(sibling) == kind_of(object))
        .collect();
    dice.pick(&choices).clone()
}

/// The names of the objects of a round.
pub(super) fn objects(round: u64) -> impl Iterator<Item = String> {
    (0..OBJECTS).map(move |number| format!("r{round}-{number}"))
}

/// The key of an object of the load.
pub(super) fn key_of(object: &str) -> abide_core::Key {
    key(kind_of(object), object)
}

async fn settle(node: &Node, store: &Arc<dyn Store>) -> Result<(), String> {
    const TRIES: u32 = 600;
    for _ in 0..TRIES {
        let query = AlarmsQuery { key: None, namespace: Namespace::default(), dead: false, after: None, limit: 1 };
        let alarms = store.alarms(query).await.map_err(|error| error.to_string())?;
        let messages = store.outbox(None, 1).await.map_err(|error| error.to_string())?;
        if alarms.alarms.is_empty() && messages.messages.is_empty() && node.messages_under_way() == 0 {
            node.shutdown().await.map_err(|error| error.to_string())?;
            say(&Line::Settled);
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err("alarms or messages are still under way after a minute".into())
}
