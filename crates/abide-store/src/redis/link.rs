//! Connections to the servers, made when they are needed.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use abide_core::StoreError;
use parking_lot::RwLock;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::sync::Mutex;

use super::{fault::Fault, reply, script, turn::Turn};

/// How long a new connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long is waited after the first failed attempt to connect, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

type Address = (String, u16);

/// One server.
pub(super) struct Link {
    info: ConnectionInfo,
    answer_within: Duration,
    state: Mutex<State>,
}

/// The connection, and when the next attempt to make one may be.
#[derive(Default)]
struct State {
    live: Option<Live>,
    /// What the server calls the connection that was made last: what was sent over it may still be on its way when
    /// it is lost.
    peer: Option<Peer>,
    /// Connections made so far.
    made: u64,
    failures: u32,
    not_before: Option<Instant>,
}

/// A connection that is in use.
#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
}

/// What the server calls a connection.
struct Peer {
    id: String,
    address: String,
}

impl Link {
    fn new(info: ConnectionInfo, answer_within: Duration) -> Self {
        Self { info, answer_within, state: Mutex::default() }
    }

    /// The connection, made anew if there is none. While the server is away, most calls fail at once.
    async fn connection(&self) -> Result<Live, Fault> {
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        if state.not_before.is_some_and(|moment| now() < moment) {
            let why = "the Redis server could not be reached a moment ago".to_owned();
            return Err(Fault::Refused(StoreError::Unavailable(why)));
        }
        match self.connect(state.peer.as_ref()).await {
            Ok((connection, peer)) => {
                let live = Live { number: state.made, connection };
                *state = State { live: Some(live.clone()), peer, made: state.made + 1, ..State::default() };
                Ok(live)
            }
            Err(fault) => {
                let wait = BACKOFF.0.saturating_mul(1 << state.failures.min(16)).min(BACKOFF.1);
                state.failures += 1;
                state.not_before = Some(now() + wait);
                Err(fault)
            }
        }
    }

    /// Connects, and ends the connection before at the server: whatever of it arrives later is not done, since
    /// what is sent from now on does not know of it.
    async fn connect(&self, lost: Option<&Peer>) -> Result<(MultiplexedConnection, Option<Peer>), Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(self.answer_within));
        let client = Client::open(self.info.clone()).map_err(|error| Fault::unconnected(&error))?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(|error| Fault::unconnected(&error))?;
        let mut first = Pipeline::new();
        if let Some(Peer { id, address }) = lost {
            first.cmd("CLIENT").arg("KILL").arg("ID").arg(id).arg("ADDR").arg(address);
        }
        first.cmd("CLIENT").arg("INFO");
        let said = connection.req_packed_commands(&first, 0, first.len()).await;
        let mut said = said.map_err(|error| Fault::unconnected(&error))?;
        let peer = said.pop().and_then(peer);
        if peer.is_none() || matches!(said.pop(), Some(Value::ServerError(_))) {
            tracing::warn!(
                "this user of Redis may not end a connection that was lost (CLIENT INFO, CLIENT KILL): what it still \
                 carries may be done late"
            );
        }
        teach(&mut connection).await?;
        Ok((connection, peer))
    }

    /// Makes the server know the scripts that it forgot.
    async fn teach(&self) -> Result<(), Fault> {
        let mut live = self.connection().await?;
        let taught = teach(&mut live.connection).await;
        if taught.is_err() {
            self.lost(live.number).await;
        }
        taught
    }

    /// Sends commands together; each has its own answer.
    pub(super) async fn send(&self, commands: &[&Cmd]) -> Vec<Result<Value, Fault>> {
        let all = |fault: &Fault| commands.iter().map(|_| Err(fault.clone())).collect();
        let mut live = match self.connection().await {
            Ok(live) => live,
            Err(fault) => return all(&fault),
        };
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command((*command).clone());
        }
        match live.connection.req_packed_commands(&pipeline, 0, commands.len()).await {
            Ok(answers) if answers.len() == commands.len() => answers.into_iter().map(answer).collect(),
            Ok(answers) => {
                let why = format!("the Redis server gave {} answers to {} commands", answers.len(), commands.len());
                self.lost(live.number).await;
                all(&Fault::Unanswered(why))
            }
            Err(error) => {
                self.lost(live.number).await;
                all(&Fault::under_way(&error))
            }
        }
    }

    /// That connection is of no more use; a later one is.
    async fn lost(&self, number: u64) {
        let mut state = self.state.lock().await;
        state.live.take_if(|live| live.number == number);
    }
}

async fn teach(connection: &mut MultiplexedConnection) -> Result<(), Fault> {
    let mut load = Pipeline::new();
    for lua in script::ALL {
        load.add_command(lua.load());
    }
    let loaded = connection.req_packed_commands(&load, 0, script::ALL.len()).await;
    for answer in loaded.map_err(|error| Fault::unconnected(&error))? {
        if let Value::ServerError(error) = answer {
            return Err(Fault::answered(&error));
        }
    }
    Ok(())
}

/// Reads the answer to `CLIENT INFO`.
fn peer(answer: Value) -> Option<Peer> {
    let said = reply::text(answer).ok()?;
    let field = |name: &str| said.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    Some(Peer { id: field("id")?.to_owned(), address: field("addr")?.to_owned() })
}

fn answer(value: Value) -> Result<Value, Fault> {
    match value {
        Value::ServerError(error) => Err(Fault::answered(&error)),
        value => Ok(value),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real server is away for real time; no decision about objects hangs on it"
)]
fn now() -> Instant {
    Instant::now()
}

/// The servers of a store: one, or those of a cluster.
pub(super) struct Servers {
    first: Arc<Link>,
    answer_within: Duration,
    cluster: Option<RwLock<Map>>,
}

/// Who has which slots.
#[derive(Default)]
struct Map {
    links: HashMap<Address, Arc<Link>>,
    /// The last slot of each range, ascending, and whose it is.
    ranges: Vec<(u16, Address)>,
}

impl Servers {
    pub(super) fn new(info: ConnectionInfo, cluster: bool, answer_within: Duration) -> Self {
        let first = Arc::new(Link::new(info, answer_within));
        Self { first, answer_within, cluster: cluster.then(RwLock::default) }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// The server that has a slot, as far as is known.
    fn link(&self, slot: u16) -> Option<Arc<Link>> {
        let Some(cluster) = &self.cluster else { return Some(self.first.clone()) };
        let map = cluster.read();
        let range = map.ranges.partition_point(|(last, _)| *last < slot);
        map.ranges.get(range).and_then(|(_, address)| map.links.get(address).cloned())
    }

    /// Every server that has slots.
    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        match &self.cluster {
            Some(cluster) => cluster.read().links.values().cloned().collect(),
            None => vec![self.first.clone()],
        }
    }

    /// Asks who has which slots.
    pub(super) async fn refresh(&self) -> Result<(), Fault> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        let mut known = self.all();
        known.push(self.first.clone());
        let mut last = Fault::Moved;
        for link in known {
            let answered = link.send(&[&ask]).await.pop();
            match answered.unwrap_or(Err(Fault::Moved)) {
                Ok(answer) => {
                    let host = host_of(&self.first.info);
                    let ranges = ranges(&answer, &host);
                    let mut map = cluster.write();
                    let mut links = HashMap::new();
                    for (_, address) in &ranges {
                        let link = map.links.get(address).cloned().unwrap_or_else(|| self.to(address));
                        links.insert(address.clone(), link);
                    }
                    *map = Map { links, ranges };
                    return Ok(());
                }
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    fn to(&self, (host, port): &Address) -> Arc<Link> {
        let addr = match self.first.info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host.clone(), *port),
        };
        Arc::new(Link::new(self.first.info.clone().set_addr(addr), self.answer_within))
    }

    /// Sends commands, each to the server that has its slot, those of one server together and in order.
    /// What a server refuses because its keys have moved, or because it forgot a script, is sent again.
    pub(super) async fn send(&self, commands: &[(u16, &Cmd)]) -> Vec<Result<Value, Fault>> {
        self.send_all(None, commands).await
    }

    /// The same for a round: what is sent again keeps its turn.
    pub(super) async fn send_in(&self, turn: &mut Turn<'_>, commands: &[(u16, &Cmd)]) -> Vec<Result<Value, Fault>> {
        self.send_all(Some(turn), commands).await
    }

    async fn send_all(&self, mut turn: Option<&mut Turn<'_>>, commands: &[(u16, &Cmd)]) -> Vec<Result<Value, Fault>> {
        let mut answers: Vec<Result<Value, Fault>> = vec![Err(Fault::Moved); commands.len()];
        for attempt in 0..5 {
            let again = |answer: &Result<Value, Fault>| matches!(answer, Err(Fault::Moved | Fault::NoScript));
            let waiting: Vec<usize> = (0..commands.len()).filter(|n| again(&answers[*n])).collect();
            if waiting.is_empty() {
                break;
            }
            if attempt > 0 {
                if let Some(turn) = &mut turn {
                    turn.again().await;
                }
                if !self.prepare(&answers).await {
                    break;
                }
            }
            self.round(commands, &waiting, &mut answers).await;
        }
        let away = |answer| matches!(answer, &Err(Fault::Refused(StoreError::Unavailable(_)) | Fault::Unanswered(_)));
        if self.is_cluster() && answers.iter().any(away) {
            // Another server may have taken over meanwhile; what comes next is sent there.
            let _ = self.refresh().await;
        }
        answers
    }

    /// Finds out who has which slots, and teaches the scripts again.
    async fn prepare(&self, answers: &[Result<Value, Fault>]) -> bool {
        if answers.iter().any(|answer| matches!(answer, Err(Fault::NoScript))) {
            for link in self.all() {
                // Where that fails, what is sent again says so.
                let _ = link.teach().await;
            }
        }
        self.refresh().await.is_ok()
    }

    async fn round(&self, commands: &[(u16, &Cmd)], waiting: &[usize], answers: &mut [Result<Value, Fault>]) {
        let mut by_link: Vec<(Arc<Link>, Vec<usize>)> = Vec::new();
        for n in waiting {
            let Some(link) = self.link(commands[*n].0) else { continue };
            match by_link.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &link)) {
                Some((_, numbers)) => numbers.push(*n),
                None => by_link.push((link, vec![*n])),
            }
        }
        let sent = by_link.into_iter().map(async |(link, numbers)| {
            let commands: Vec<_> = numbers.iter().map(|n| commands[*n].1).collect();
            (link.send(&commands).await, numbers)
        });
        for (found, numbers) in futures_util::future::join_all(sent).await {
            for (n, answer) in numbers.into_iter().zip(found) {
                answers[n] = answer;
            }
        }
    }
}

fn host_of(info: &ConnectionInfo) -> String {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
        _ => String::new(),
    }
}

/// Reads the answer to `CLUSTER SLOTS`; a server that does not know its own name is at `host`.
fn ranges(answer: &Value, host: &str) -> Vec<(u16, Address)> {
    let Value::Array(rows) = answer else { return Vec::new() };
    let mut ranges: Vec<_> = rows.iter().filter_map(|row| range(row, host)).collect();
    ranges.sort();
    ranges
}

fn range(row: &Value, host: &str) -> Option<(u16, Address)> {
    let Value::Array(row) = row else { return None };
    let (Value::Int(last), Value::Array(owner)) = (row.get(1)?, row.get(2)?) else { return None };
    let name = match owner.first()? {
        Value::BulkString(name) if !name.is_empty() => String::from_utf8(name.clone()).ok()?,
        _ => host.to_owned(),
    };
    let Value::Int(port) = owner.get(1)? else { return None };
    Some((u16::try_from(*last).ok()?, (name, u16::try_from(*port).ok()?)))
}
