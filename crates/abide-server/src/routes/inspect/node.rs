//! The node itself, what its store holds, and what memory knows of one object.

use std::{sync::Arc, time::Duration};

use abide_core::{Result, port::store::Status};
use abide_node::Node;
use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};

use super::graph;
use crate::{Caller, Limits, Problem, answer::json::fresh, request::query::Query, shared::Shared};

/// For how long a count of everything in the store is shown again: at least so long, and so many times as long
/// as counting took. Whoever asks all the time keeps the store busy for a small share of it.
const COUNTED_FOR: Duration = Duration::from_secs(2);
const COUNTED_TIMES: u32 = 20;

/// The last count of what the store holds. Those who ask meanwhile wait for the one that is under way.
#[derive(Default)]
pub(crate) struct LastCount(Mutex<Option<Count>>);

#[derive(Clone)]
struct Count {
    at: Instant,
    took: Duration,
    status: Status,
}

impl LastCount {
    /// What the store holds, counted now or a moment ago, and how long ago.
    pub(crate) async fn of(&self, node: &Node) -> Result<(Status, Duration)> {
        let mut last = self.0.lock().await;
        let Count { at, status, .. } = match &*last {
            Some(count) if count.is_fresh() => count.clone(),
            _ => {
                let began = Instant::now();
                let status = node.store_status().await?;
                last.insert(Count { at: Instant::now(), took: began.elapsed(), status }).clone()
            }
        };
        Ok((status, at.elapsed()))
    }
}

impl Count {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < COUNTED_FOR.max(self.took * COUNTED_TIMES)
    }
}

/// `GET /v1/inspect/node`: version, time, memory, limits. Cheap enough to ask every second.
pub(crate) async fn node(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    super::admit(&shared, &caller)?;
    Query::parse(request.uri().query())?.finish()?;
    let node = &shared.node;
    let answer = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": milliseconds(node.uptime()),
        "shards": node.shards(),
        "running": node.is_running() && !shared.draining.is_cancelled(),
        "metered": node.options().metered,
        "objects_in_memory": node.objects_in_memory(),
        "bytes_in_memory": node.bytes_in_memory(),
        "process_bytes": process_bytes(),
        "objects_watched": node.objects_watched(),
        "messages_under_way": node.messages_under_way(),
        "limits": {"node": node_limits(&shared), "server": server_limits(&shared.limits)},
    });
    Ok(fresh(answer.to_string()))
}

/// `GET /v1/inspect/store`: what the store holds, counted at most every two seconds.
pub(crate) async fn store(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    super::admit(&shared, &caller)?;
    Query::parse(request.uri().query())?.finish()?;
    let (status, age) = shared.last_count.of(&shared.node).await?;
    let objects: serde_json::Map<String, Value> =
        status.objects.iter().map(|(kind, count)| (kind.clone(), (*count).into())).collect();
    let indexes: Vec<Value> = status.indexes.iter().map(|(kind, path)| json!({"kind": kind, "path": path})).collect();
    let answer = json!({
        "store": status.store,
        "id": status.id,
        "schema": status.schema,
        "objects": objects,
        "indexes": indexes,
        "changes": status.changes,
        "alarms": status.alarms,
        "dead_alarms": status.dead_alarms,
        "outbox": status.outbox,
        "outcomes": status.outcomes,
        "bytes": status.bytes,
        "age_ms": milliseconds(age),
    });
    Ok(fresh(answer.to_string()))
}

/// `GET /v1/inspect/activity?kind=&id=`: whether an object is in memory, and who waits for it or watches it.
pub(crate) async fn activity(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    super::admit(&shared, &caller)?;
    let mut query = Query::parse(request.uri().query())?;
    let key = graph::object(&shared, &caller, &mut query)?;
    query.finish()?;
    let key = key.ok_or_else(|| Problem::bad_request("the query parameters kind and id name the object"))?;
    let activity = shared.node.activity(&key);
    let answer = json!({
        "in_memory": activity.in_memory,
        "decoded": activity.decoded,
        "waiting": activity.waiting,
        "watchers": activity.watchers,
        "bytes": activity.bytes,
    });
    Ok(fresh(answer.to_string()))
}

fn node_limits(shared: &Shared) -> Value {
    let options = shared.node.options();
    json!({
        "call_timeout_ms": milliseconds(options.call_timeout),
        "mailbox": options.mailbox,
        "objects_max": options.objects_max,
        "memory_max": options.memory_max,
        "commits_in_flight": options.commits_in_flight,
        "alarms_in_flight": options.alarms_in_flight,
        "messages_in_memory": options.messages_in_memory,
        "watch_buffer": options.watch_buffer,
        "outcomes_kept_ms": milliseconds(options.outcomes_kept),
        "drain_timeout_ms": milliseconds(options.drain_timeout),
        "traffic_edges": options.traffic_edges,
    })
}

fn server_limits(limits: &Limits) -> Value {
    // None is left out: whoever adds a limit shows it.
    let Limits {
        body_bytes,
        decompressed_bytes,
        json_depth,
        header_bytes,
        headers,
        connections,
        connections_per_address,
        streams_per_connection,
        body_timeout,
        keep_alive,
        request_timeout,
        call_timeout,
        page_items,
        page_bytes,
        heartbeat,
        frame_bytes,
        calls_per_connection,
        watches_per_connection,
        hello_timeout,
        write_timeout,
        session_grace,
        sessions,
        drain_delay,
        drain_timeout,
    } = limits;
    json!({
        "body_bytes": body_bytes,
        "decompressed_bytes": decompressed_bytes,
        "json_depth": json_depth,
        "header_bytes": header_bytes,
        "headers": headers,
        "connections": connections,
        "connections_per_address": connections_per_address,
        "streams_per_connection": streams_per_connection,
        "body_timeout_ms": milliseconds(*body_timeout),
        "keep_alive_ms": milliseconds(*keep_alive),
        "request_timeout_ms": milliseconds(*request_timeout),
        "call_timeout_ms": milliseconds(*call_timeout),
        "page_items": page_items,
        "page_bytes": page_bytes,
        "heartbeat_ms": milliseconds(*heartbeat),
        "frame_bytes": frame_bytes,
        "calls_per_connection": calls_per_connection,
        "watches_per_connection": watches_per_connection,
        "hello_timeout_ms": milliseconds(*hello_timeout),
        "write_timeout_ms": milliseconds(*write_timeout),
        "session_grace_ms": milliseconds(*session_grace),
        "sessions": sessions,
        "drain_delay_ms": milliseconds(*drain_delay),
        "drain_timeout_ms": milliseconds(*drain_timeout),
    })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the process takes of the machine's memory, where the system says so in `/proc`.
fn process_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
