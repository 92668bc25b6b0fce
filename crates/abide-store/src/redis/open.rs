//! Opening: what the server is, what it promises, and what it holds.

use abide_core::StoreError;
use redis::{Client, Cmd, ConnectionInfo, IntoConnectionInfo, Value, io::tcp::TcpSettings};

use super::{
    link::Servers,
    names::Names,
    options::{Durability, RedisOptions, check_prefix, without_password},
    reply,
};
use crate::error::OpenError;

/// The version of what `docs/format/redis.md` describes.
pub(super) const SCHEMA: u32 = 2;
/// How many parts a store gets in a cluster.
const CLUSTER_PARTS: u32 = 256;
/// The oldest server whose scripts check memory and rights before they begin.
const SERVER_MIN: u32 = 7;

/// What was found.
pub(super) struct Opened {
    pub(super) names: Names,
    pub(super) writes: Servers,
    pub(super) reads: Servers,
    /// To listen on channels.
    pub(super) client: Client,
}

/// Says what stands in the way of opening.
struct Refusal<'u> {
    url: &'u str,
}

impl Refusal<'_> {
    fn bad(&self, why: impl Into<String>) -> OpenError {
        OpenError::BadUrl { url: without_password(self.url), why: why.into() }
    }

    fn failed(&self, error: &StoreError) -> OpenError {
        OpenError::Failed { path: without_password(self.url).into(), why: error.to_string() }
    }
}

pub(super) async fn open(url: &str, base: &str, options: &RedisOptions) -> Result<Opened, OpenError> {
    let refusal = Refusal { url };
    check_prefix(&options.prefix).map_err(|why| refusal.bad(why))?;
    let info: ConnectionInfo = base.into_connection_info().map_err(|error| refusal.bad(error.to_string()))?;
    // A small round would wait in the kernel until the one before it is answered.
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let first = Servers::new(info.clone(), false, options.answer_within);
    let about = ask(&first, redis::cmd("INFO").arg("everything")).await.map_err(|error| refusal.failed(&error))?;
    let about = reply::text(about).map_err(|error| refusal.failed(&error))?;
    check_version(&refusal, &about)?;
    let cluster = line(&about, "redis_mode") == Some("cluster");
    let servers = || Servers::new(info.clone(), cluster, options.answer_within);
    let (writes, reads) = (servers(), servers());
    for servers in [&writes, &reads] {
        servers.refresh().await.map_err(|fault| refusal.failed(&fault.into_error()))?;
    }
    check_durability(&refusal, &writes, options.durability).await?;
    let names = meta(&refusal, &writes, options).await?;
    let client = Client::open(info).map_err(|error| refusal.bad(error.to_string()))?;
    Ok(Opened { names, writes, reads, client })
}

fn check_version(refusal: &Refusal<'_>, about: &str) -> Result<(), OpenError> {
    let version = line(about, "redis_version").unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < SERVER_MIN) {
        return Err(refusal.bad(format!("the server is Redis {version}; a store needs {SERVER_MIN}.0 or newer")));
    }
    Ok(())
}

/// The value of a line of `INFO`.
fn line<'a>(about: &'a str, name: &str) -> Option<&'a str> {
    about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Looks at what every server does about its disk.
async fn check_durability(refusal: &Refusal<'_>, servers: &Servers, wanted: Durability) -> Result<(), OpenError> {
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg("appendonly").arg("appendfsync").arg("no-appendfsync-on-rewrite").arg("maxmemory-policy");
    for link in servers.all() {
        let answer = link.send(&[&get]).await.pop();
        let Some(Ok(answer)) = answer else {
            if wanted == Durability::Always {
                tracing::warn!(
                    "the Redis server does not say how it writes to its disk (CONFIG GET is not allowed): \
                     what was acknowledged survives a crash only with `appendonly yes` and `appendfsync always`"
                );
            }
            continue;
        };
        let settings = reply::hash(answer).map_err(|error| refusal.failed(&error))?;
        let setting = |name: &str| settings.get(name).map_or("", String::as_str);
        let eviction = setting("maxmemory-policy");
        if !matches!(eviction, "" | "noeviction") {
            tracing::warn!(
                maxmemory_policy = eviction,
                "the Redis server throws keys away when it is full, and with them objects: set `maxmemory-policy noeviction`"
            );
        }
        if wanted == Durability::Memory {
            continue;
        }
        if setting("appendonly") != "yes" {
            return Err(refusal.bad(
                "the server runs with `appendonly no` and would forget what it acknowledged: set `appendonly yes` \
                 and `appendfsync always`, or add `durability=memory` to the URL if that is what you want",
            ));
        }
        let fsync = setting("appendfsync");
        let pauses = setting("no-appendfsync-on-rewrite") == "yes";
        if wanted == Durability::Always && (fsync != "always" || pauses) {
            tracing::warn!(
                appendfsync = fsync,
                no_appendfsync_on_rewrite = pauses,
                "a crash of the Redis server's machine may take what it acknowledged in the last second or more: set \
                 `appendfsync always` and `no-appendfsync-on-rewrite no`, or add `durability=everysec` to the URL"
            );
        }
    }
    Ok(())
}

/// Reads what the store was created with, or creates it, unless it is only to be looked at.
async fn meta(refusal: &Refusal<'_>, servers: &Servers, options: &RedisOptions) -> Result<Names, OpenError> {
    let (key, slot) = Names::meta(&options.prefix);
    let parts = options.parts.unwrap_or(if servers.is_cluster() { CLUSTER_PARTS } else { 1 });
    let (shards, parts) = (options.shards_of_new(), parts.min(options.shards_of_new()));
    let id = ulid::Ulid::generate().to_string();
    let created =
        [("schema", SCHEMA.to_string()), ("shards", shards.to_string()), ("parts", parts.to_string()), ("id", id)];
    let creating: Vec<(u16, Cmd)> = created
        .iter()
        .map(|(field, value)| {
            let mut cmd = redis::cmd("HSETNX");
            cmd.arg(&key).arg(field).arg(value);
            (slot, cmd)
        })
        .collect();
    let mut read = redis::cmd("HGETALL");
    read.arg(&key);
    let mut commands: Vec<_> = creating.iter().filter(|_| options.create).map(|(slot, cmd)| (*slot, cmd)).collect();
    commands.push((slot, &read));
    let answers: Result<Vec<Value>, _> = servers.send(&commands).await.into_iter().collect();
    let mut answers = answers.map_err(|fault| refusal.failed(&fault.into_error()))?;
    let found = answers.pop().unwrap_or_default();
    let found = reply::hash(found).map_err(|error| refusal.failed(&error))?;
    if found.is_empty() {
        return Err(OpenError::NotThere { path: without_password(refusal.url).into() });
    }
    let text = |name: &str| found.get(name).cloned().unwrap_or_default();
    let number = |name: &str| {
        let damaged = || refusal.failed(&StoreError::Damaged(format!("{key} has no number {name}")));
        text(name).parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(damaged)
    };
    let schema = number("schema")?;
    if schema > SCHEMA {
        return Err(OpenError::NewerSchema {
            path: without_password(refusal.url).into(),
            found: schema,
            known: SCHEMA,
        });
    }
    if schema < SCHEMA {
        return Err(refusal.bad(format!(
            "the store has schema {schema}, of a version that was never released; this one writes {SCHEMA}: export it with \
             the program that wrote it"
        )));
    }
    let (shards, parts) = (number("shards")?, number("parts")?);
    if let Some(wanted) = options.shards.filter(|wanted| *wanted != shards) {
        return Err(OpenError::Shards { path: without_password(refusal.url).into(), found: shards, wanted });
    }
    Ok(Names::new(&options.prefix, shards, parts))
}

async fn ask(servers: &Servers, cmd: &Cmd) -> Result<Value, StoreError> {
    let answer = servers.send(&[(0, cmd)]).await.pop();
    answer.unwrap_or(Ok(Value::Nil)).map_err(super::fault::Fault::into_read_error)
}
