//! Durable calls over the stores that teams already run: PostgreSQL and Redis, each beside what the
//! server does for a bare client.

use std::{collections::HashMap, path::PathBuf, process::Command, sync::Arc};

use abide::prelude::*;
use abide_services::{Postgres, Redis, find};
use anyhow::{Context, ensure};
use futures_util::try_join;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Client, NoTls, Statement, types::ToSql};

use crate::{
    bare::{change, state},
    durable::warm,
    kinds::Counter,
    load::{Measured, closed_loop},
    plan::Plan,
    report::{Field, Rounds, Section, Spread},
};

const MANY: usize = 10_000;
const CALLERS: usize = 256;
/// Connections of pgbench, each with one object a transaction.
const CLIENTS: usize = 64;
const AT: i64 = 1_767_225_600_000;

/// Abide over PostgreSQL, beside bare statements over arrays and beside pgbench.
pub(crate) async fn postgres(plan: &Plan) -> anyhow::Result<Section> {
    let title = "durable calls over 10,000 objects in PostgreSQL (fsync on), 256 callers, against bare UNNEST batches of \
                 the same rows, and pgbench with one object and its change a transaction, 64 connections";
    let columns =
        ["callers", "bare/s", "abide/s", "of bare", "pgbench/s", "of pgbench", "bare p50/p99 µs", "abide p50/p99 µs"];
    let mut section = Section::new("postgres", title, &columns);
    plan.expect(3 * plan.rounds);
    let (mut limit, mut ours, mut single) = (Rounds::default(), Rounds::default(), Vec::new());
    for _ in 0..plan.rounds {
        let server = Postgres::start()?;
        drop(abide::store::PostgresStore::open(&server.url(), abide::store::PostgresOptions::default()).await?);
        plan.step("postgres: bare UNNEST");
        limit.push(bare(&server, plan).await?);
        plan.step("postgres: pgbench");
        single.push(tokio::task::block_in_place(|| pgbench(&server, plan))?);
        drop(server);
        let server = Postgres::start()?;
        plan.step("postgres: abide");
        ours.push(abide(&server.url(), plan).await?);
    }
    section.row([
        Field::label(CALLERS.to_string()),
        limit.rate(),
        ours.rate(),
        ours.of_limit(&limit),
        Field::count(Spread::of(single.clone())),
        Field::ratio(Spread::ratio(&ours.rates(), &single)),
        limit.latency(0),
        ours.latency(0),
    ]);
    Ok(section)
}

/// Abide over Redis, beside two commands without any promise, and beside a script that one would write by hand
/// for the same ones; both by redis-benchmark.
pub(crate) async fn redis(plan: &Plan) -> anyhow::Result<Section> {
    let title = "durable calls over 10,000 objects in Redis (appendfsync everysec), 256 callers, against redis-benchmark, \
                 pipelined by 16: HSET, then PUBLISH; and a script by hand that compares epoch and head, writes, \
                 logs, feeds and publishes";
    let columns =
        ["callers", "HSET + PUBLISH/s", "script/s", "abide/s", "of both", "of the script", "abide p50/p99 µs"];
    let mut section = Section::new("redis", title, &columns);
    plan.expect(3 * plan.rounds);
    let (mut bare, mut script, mut ours) = (Vec::new(), Vec::new(), Rounds::default());
    for _ in 0..plan.rounds {
        let start = || Redis::start_with(&[("appendonly", "yes"), ("appendfsync", "everysec")]);
        let server = start()?;
        plan.step("redis: redis-benchmark, two commands");
        bare.push(tokio::task::block_in_place(|| two_commands(&server))?);
        plan.step("redis: redis-benchmark, a script");
        script.push(tokio::task::block_in_place(|| script_by_hand(&server))?);
        drop(server);
        let server = start()?;
        plan.step("redis: abide");
        ours.push(abide(&format!("{}?durability=everysec", server.url()), plan).await?);
    }
    section.row([
        Field::label(CALLERS.to_string()),
        Field::count(Spread::of(bare.clone())),
        Field::count(Spread::of(script.clone())),
        ours.rate(),
        Field::ratio(Spread::ratio(&ours.rates(), &bare)),
        Field::ratio(Spread::ratio(&ours.rates(), &script)),
        ours.latency(0),
    ]);
    Ok(section)
}

async fn abide(url: &str, plan: &Plan) -> anyhow::Result<Measured> {
    let abide = Abide::open(url).register::<Counter>().start().await?;
    let counters = Arc::new(warm(&abide, MANY).await?);
    let call = move |object: usize| {
        let call = counters[object].increment(1);
        async move {
            call.await.expect("a call failed");
        }
    };
    let measured = closed_loop(CALLERS, MANY, plan.seconds, call).await;
    abide.shutdown().await?;
    Ok(measured)
}

/// The same rows as the store writes, by one connection that checks nothing: all that wait in one transaction.
async fn bare(server: &Postgres, plan: &Plan) -> anyhow::Result<Measured> {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await?;
    tokio::spawn(connection);
    let mut rows = Rows::fill(client).await?;
    let (tx, mut rx) = mpsc::unbounded_channel::<(usize, oneshot::Sender<()>)>();
    let writer = tokio::spawn(async move {
        let mut batch = Vec::new();
        while rx.recv_many(&mut batch, 4_096).await > 0 {
            rows.commit(batch.iter().map(|(object, _)| *object)).await?;
            for (_, answer) in batch.drain(..) {
                let _ = answer.send(());
            }
        }
        anyhow::Ok(())
    });
    let call = move |object: usize| {
        let (answer, answered) = oneshot::channel();
        tx.send((object, answer)).expect("the writer runs");
        async move { answered.await.expect("the writer answers") }
    };
    let measured = closed_loop(CALLERS, MANY, plan.seconds, call).await;
    writer.await??;
    Ok(measured)
}

/// Rows of counters in the store's own tables.
struct Rows {
    client: Client,
    update: Statement,
    log: Statement,
    heads: Vec<i64>,
}

impl Rows {
    async fn fill(client: Client) -> anyhow::Result<Self> {
        client.batch_execute("SET search_path = abide").await?;
        let insert = "INSERT INTO objects SELECT n, 'default', 'Counter', n::text, 7, 1, 0, 1, 1, $2, $2, 1, $1::text::jsonb, NULL
                      FROM generate_series(0, $3::bigint - 1) AS n";
        client.execute(insert, &[&state(1), &AT, &(MANY as i64)]).await?;
        let update = client
            .prepare(
                "UPDATE objects AS o SET head = u.head, commit_id = u.head, updated_at = $4, state = u.state::jsonb
                 FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (oid, head, state) WHERE o.oid = u.oid",
            )
            .await?;
        let log = client
            .prepare(
                "INSERT INTO log (shard, pos, oid, seq, at, body)
                 SELECT u.oid % 4096, u.seq * 10000 + u.oid, u.oid, u.seq, $4, u.body
                 FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (oid, seq, body)",
            )
            .await?;
        Ok(Self { client, update, log, heads: vec![1; MANY] })
    }

    async fn commit(&mut self, objects: impl Iterator<Item = usize>) -> anyhow::Result<()> {
        let (mut oids, mut seqs, mut bodies, mut last) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        for object in objects {
            self.heads[object] += 1;
            let seq = self.heads[object];
            oids.push(object as i64);
            seqs.push(seq);
            bodies.push(change(seq));
            last.insert(object as i64, seq);
        }
        let (changed, heads): (Vec<i64>, Vec<i64>) = last.into_iter().unzip();
        let states: Vec<String> = heads.iter().map(|seq| state(*seq)).collect();
        let client = &self.client;
        let update: [&(dyn ToSql + Sync); 4] = [&changed, &heads, &states, &AT];
        let log: [&(dyn ToSql + Sync); 4] = [&oids, &seqs, &bodies, &AT];
        try_join!(
            client.batch_execute("BEGIN"),
            client.execute(&self.update, &update),
            client.execute(&self.log, &log),
            client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }
}

/// Transactions a second of pgbench, each an object and its change, in one statement.
fn pgbench(server: &Postgres, plan: &Plan) -> anyhow::Result<f64> {
    let folder = plan.folder()?;
    let script = folder.path().join("one-row.sql");
    let write = format!(
        "WITH o AS (UPDATE abide.objects SET head = head + 1, state = '{}' WHERE oid = :n RETURNING oid, head)
         INSERT INTO abide.log (shard, pos, oid, seq, at, body)
         SELECT oid % 4096, 1000000000 + head * 10000 + oid, oid, head, {AT}, '{}' FROM o;",
        state(2),
        change(2)
    );
    // A colon before a letter would be a variable of pgbench; none stands in these texts.
    std::fs::write(&script, format!("\\set n random(0, {})\n{}\n", MANY - 1, write.replace('\n', " ")))?;
    let program =
        find::program("pgbench", "ABIDE_POSTGRES_BIN", &postgres_folders()).context("pgbench is not installed")?;
    let (clients, seconds) = (CLIENTS.to_string(), plan.seconds.as_secs().max(1).to_string());
    let output = Command::new(program)
        .args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f"])
        .arg(&script)
        .arg(server.url())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.with_context(|| format!("pgbench said no rate: {text}"))
}

fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).collect()
}

/// How many figures stand in a line of redis-benchmark, the rate first, behind a name of any text.
const FIGURES: usize = 7;

/// Pairs of HSET and PUBLISH a second.
fn two_commands(server: &Redis) -> anyhow::Result<f64> {
    let set = ["HSET", "object:__rand_int__", "count", "1", "last_incremented_at", "2026-01-02T03:04:05.678Z"];
    let set = redis_benchmark(server, &set)?;
    let publish = redis_benchmark(server, &["PUBLISH", "changes", &change(1)])?;
    Ok(1.0 / (1.0 / set + 1.0 / publish))
}

/// What a team would write by hand to keep an object's changes gap-free and to itself: one call, one commit.
/// The head that it expects is the one that is there, since redis-benchmark cannot know it.
const SCRIPT: &str = "
local object = 'object:' .. ARGV[1]
local epoch = redis.call('HGET', 'epochs', '7')
if epoch and epoch ~= ARGV[2] then return 'fenced' end
local found = redis.call('HMGET', object, 'head', 'count')
local head = tonumber(found[1] or '0') + 1
redis.call('HSET', object, 'head', head, 'count', ARGV[3], 'last_incremented_at', ARGV[4])
redis.call('RPUSH', 'log:' .. ARGV[1], ARGV[5])
redis.call('XADD', 'feed', '*', 'object', ARGV[1], 'head', head)
redis.call('PUBLISH', 'changes:' .. ARGV[1], ARGV[5])
return 'done'";

/// Calls of it a second.
fn script_by_hand(server: &Redis) -> anyhow::Result<f64> {
    let program = find::program("redis-cli", "ABIDE_REDIS_BIN", &[]).context("redis-cli is not installed")?;
    let loaded = Command::new(program).args(["-p", &server.port().to_string(), "SCRIPT", "LOAD", SCRIPT]).output()?;
    let hash = String::from_utf8(loaded.stdout)?;
    let hash = hash.trim();
    ensure!(hash.len() == 40, "redis-cli did not load the script: {hash}");
    let body = change(1);
    redis_benchmark(server, &["EVALSHA", hash, "0", "__rand_int__", "1", "1", "2026-01-02T03:04:05.678Z", &body])
}

/// Commands a second, of those that redis-benchmark sends.
fn redis_benchmark(server: &Redis, command: &[&str]) -> anyhow::Result<f64> {
    let program =
        find::program("redis-benchmark", "ABIDE_REDIS_BIN", &[]).context("redis-benchmark is not installed")?;
    let port = server.port().to_string();
    let common = ["-p", &port, "-P", "16", "-c", "50", "-n", "300000", "-r", "10000", "--csv"];
    let output = Command::new(&program).args(common).args(command).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default().to_owned();
    let rate = last.rsplit("\",\"").nth(FIGURES - 1).and_then(|rate| rate.parse::<f64>().ok());
    rate.with_context(|| format!("redis-benchmark said no rate: {text}"))
}
