//! The writes of a transaction: each table's rows as one statement, or a few where they are large.

use std::ops::Range;

use abide_core::{Json, port::store::OutboxMessage};
use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use tokio_postgres::{Statement, types::ToSql};

use super::{
    batch::{Entry, Gathered, Touched},
    columns::Columns,
    connect::Conn,
    fault::{Fault, Result},
    form::form,
    text::escaped,
};

/// The writes, encoded and ready to be sent one behind the other.
pub(super) struct Writes<'g>(Vec<(&'static str, Columns<'g>)>);

/// How many bytes a row may have: `jsonb` holds a quarter of a gibibyte, and a state may stand twice.
const ROW_BYTES_MAX: usize = 480 << 20;

/// How many numbers one step of the sequence stands for.
const OIDS_STEP: i64 = 1_024;

/// Numbers for rows of objects that this process has taken from the sequence.
#[derive(Default)]
pub(super) struct Oids(Vec<Range<i64>>);

impl Oids {
    /// How many steps of the sequence are missing for so many rows.
    pub(super) fn steps_for(&self, rows: usize) -> i64 {
        let left: i64 = self.0.iter().map(|run| run.end - run.start).sum();
        let missing = i64::try_from(rows).unwrap_or(i64::MAX) - left;
        if missing > 0 { missing / OIDS_STEP + 1 } else { 0 }
    }

    /// Takes a step that starts at this number.
    pub(super) fn add(&mut self, start: i64) {
        self.0.insert(0, start..start + OIDS_STEP);
    }

    /// The row of each object, a new one where there is none.
    pub(super) fn of(&mut self, gathered: &Gathered<'_>) -> Result<Vec<i64>> {
        let row = |object: &Touched<'_>| object.oid.map_or_else(|| self.next().ok_or(Fault::Moved), Ok);
        gathered.objects.iter().map(row).collect()
    }

    /// A number for a new row.
    pub(super) fn next(&mut self) -> Option<i64> {
        self.0.retain(|run| !run.is_empty());
        self.0.last_mut()?.next()
    }
}

impl<'g> Writes<'g> {
    /// The writes of what is gathered: `oids` are the rows of its objects, and `positions` the last one of
    /// each shard, which it moves on.
    pub(super) fn of(gathered: &Gathered<'g>, oids: &[i64], positions: &mut FxHashMap<u32, i64>) -> Result<Self> {
        let mut writes = Self(Vec::new());
        writes.objects(gathered, oids)?;
        writes.log(gathered, oids, positions);
        writes.alarms(gathered, oids)?;
        writes.outbox(gathered);
        writes.received(gathered, oids);
        writes.outcomes(gathered, oids)?;
        writes.check()?;
        Ok(writes)
    }

    /// A statement that could not be encoded would be missing before the COMMIT.
    fn check(&self) -> Result<()> {
        let largest = self.0.iter().map(|(_, columns)| columns.largest()).max().unwrap_or(0);
        if largest > ROW_BYTES_MAX {
            return Err(Fault::TooLarge(format!(
                "a row of {largest} bytes is more than the {ROW_BYTES_MAX} that PostgreSQL is given at once: \
                 spread the state over several objects"
            )));
        }
        Ok(())
    }

    /// Sends all of it when it is first polled, in order, and gives one answer for each statement.
    pub(super) async fn prepare<'w>(
        &'w self,
        conn: &'w Conn,
    ) -> Result<Vec<BoxFuture<'w, Result<u64, tokio_postgres::Error>>>> {
        let mut sent: Vec<BoxFuture<'w, Result<u64, tokio_postgres::Error>>> = Vec::new();
        for (sql, columns) in &self.0 {
            let statement: Statement = conn.statement(sql).await?;
            for part in columns.parts() {
                let statement = statement.clone();
                sent.push(Box::pin(async move {
                    let values = columns.values(part);
                    conn.client()
                        .execute_raw(&statement, values.iter().map(|value| &**value as &(dyn ToSql + Sync)))
                        .await
                }));
            }
        }
        Ok(sent)
    }

    fn push(&mut self, sql: &'static str, columns: Columns<'g>) {
        if columns.rows() > 0 {
            self.0.push((sql, columns));
        }
    }

    fn objects(&mut self, gathered: &Gathered<'g>, oids: &[i64]) -> Result<()> {
        let (mut insert, mut put, mut keep) = (Columns::default(), Columns::default(), Columns::default());
        for (object, oid) in gathered.objects.iter().zip(oids) {
            match (object.oid, &object.put) {
                (None, _) => insert_object(object, *oid, &mut insert),
                (Some(_), Some(_)) => put_object(object, *oid, &mut put),
                (Some(_), None) => keep_object(object, *oid, &mut keep),
            }
        }
        self.push(INSERT_OBJECTS, insert);
        self.push(PUT_OBJECTS, put);
        self.push(KEEP_OBJECTS, keep);
        Ok(())
    }

    fn log(&mut self, gathered: &Gathered<'g>, oids: &[i64], positions: &mut FxHashMap<u32, i64>) {
        let mut erase = Columns::default();
        for (object, oid) in gathered.objects.iter().zip(oids) {
            if object.erased && object.oid.is_some() {
                erase.number(0, *oid);
            }
        }
        self.push(ERASE_LOG, erase);
        let mut insert = Columns::default();
        for Entry { slot, first, last, change } in &gathered.log {
            let shard = gathered.objects[*slot].shard.number();
            let pos = positions.entry(shard).or_default();
            *pos += 1;
            insert.number(0, i64::from(shard));
            insert.number(1, *pos);
            insert.number(2, oids[*slot]);
            insert.optional_number(3, first.map(|first| first.number().cast_signed()));
            insert.number(4, last.number().cast_signed());
            insert.optional_number(5, change.map(|change| change.at.as_millis()));
            insert.optional_text(6, change.map(|change| change.json.as_str().into()));
            let snapshot = change.and_then(|change| change.snapshot.as_ref());
            insert.optional_text(7, snapshot.map(|snapshot| snapshot.as_str().into()));
        }
        self.push(INSERT_LOG, insert);
    }

    fn alarms(&mut self, gathered: &Gathered<'g>, oids: &[i64]) -> Result<()> {
        let (mut drop_all, mut remove, mut set) = (Columns::default(), Columns::default(), Columns::default());
        for (object, oid) in gathered.objects.iter().zip(oids) {
            if object.erased && object.oid.is_some() {
                drop_all.number(0, *oid);
            }
            for (name, alarm) in &object.alarms {
                let Some(alarm) = alarm else {
                    remove.number(0, *oid);
                    remove.text(1, escaped(name));
                    continue;
                };
                let schedule = alarm.schedule.as_ref().map(serde_json::to_string).transpose()?;
                set.number(0, *oid);
                set.text(1, escaped(name));
                set.number(2, alarm.due.as_millis());
                set.number(3, i64::from(alarm.dead.is_some()));
                set.number(4, alarm.token.cast_signed());
                set.number(5, i64::from(alarm.attempt));
                set.text(6, alarm.payload.as_str().into());
                set.optional_text(7, schedule.map(Into::into));
                set.optional_text(8, alarm.dead.as_deref().map(escaped));
                set.optional_text(9, alarm.principal.as_ref().map(|principal| principal.as_str().into()));
            }
        }
        self.push(DROP_ALARMS, drop_all);
        self.push(REMOVE_ALARMS, remove);
        self.push(SET_ALARMS, set);
        Ok(())
    }

    fn outbox(&mut self, gathered: &Gathered<'g>) {
        let mut insert = Columns::default();
        for message in gathered.outbox.values() {
            insert_message(message, &mut insert);
        }
        self.push(INSERT_MESSAGES, insert);
        let mut remove = Columns::default();
        for id in &gathered.acknowledged {
            remove.text(0, id.sender.namespace().as_str().into());
            remove.text(1, id.sender.kind().as_str().into());
            remove.text(2, escaped(id.sender.id()));
            remove.number(3, id.n.cast_signed());
        }
        self.push(REMOVE_MESSAGES, remove);
    }

    fn received(&mut self, gathered: &Gathered<'g>, oids: &[i64]) {
        let mut set = Columns::default();
        for ((slot, sender), n) in &gathered.received {
            set.number(0, oids[*slot]);
            set.text(1, sender.namespace().as_str().into());
            set.text(2, sender.kind().as_str().into());
            set.text(3, escaped(sender.id()));
            set.number(4, n.cast_signed());
        }
        self.push(SET_RECEIVED, set);
    }

    fn outcomes(&mut self, gathered: &Gathered<'g>, oids: &[i64]) -> Result<()> {
        let mut set = Columns::default();
        for ((slot, caller, call_key), outcome) in &gathered.outcomes {
            set.number(0, oids[*slot]);
            set.text(1, escaped(caller));
            set.text(2, escaped(call_key));
            set.number(3, outcome.fingerprint.cast_signed());
            set.number(4, outcome.seq.number().cast_signed());
            set.number(5, i64::from(outcome.reply.is_ok()));
            set.text(
                6,
                match &outcome.reply {
                    Ok(reply) => reply.as_str().into(),
                    Err(error) => serde_json::to_string(error)?.into(),
                },
            );
            set.number(7, outcome.expires_at.as_millis());
        }
        self.push(SET_OUTCOMES, set);
        Ok(())
    }
}

fn insert_object<'g>(object: &Touched<'g>, oid: i64, rows: &mut Columns<'g>) {
    let put = object.put.unwrap_or_default();
    rows.number(0, oid);
    rows.text(1, object.key.namespace().as_str().into());
    rows.text(2, object.key.kind().as_str().into());
    rows.text(3, escaped(object.key.id()));
    rows.number(4, i64::from(object.shard.number()));
    rows.number(5, object.head.number().cast_signed());
    rows.number(6, object.floor.number().cast_signed());
    rows.number(7, object.incarnation.cast_signed());
    rows.number(8, put.version.map_or(0, i64::from));
    rows.number(9, put.created_at.unwrap_or(0));
    rows.number(10, object.updated_at.unwrap_or(0));
    rows.number(11, object.commit_id.cast_signed());
    state(put.state, 12, rows);
}

fn put_object<'g>(object: &Touched<'g>, oid: i64, rows: &mut Columns<'g>) {
    let put = object.put.unwrap_or_default();
    head_of(object, oid, rows);
    rows.optional_number(7, put.version.map(i64::from));
    rows.optional_number(8, put.created_at);
    rows.optional_number(9, object.updated_at);
    state(put.state, 10, rows);
}

fn keep_object<'g>(object: &Touched<'g>, oid: i64, rows: &mut Columns<'g>) {
    head_of(object, oid, rows);
    rows.optional_number(7, object.updated_at);
}

fn head_of<'g>(object: &Touched<'g>, oid: i64, rows: &mut Columns<'g>) {
    rows.number(0, oid);
    rows.number(1, object.before.number().cast_signed());
    rows.number(2, object.commit_before.cast_signed());
    rows.number(3, object.head.number().cast_signed());
    rows.number(4, object.floor.number().cast_signed());
    rows.number(5, object.incarnation.cast_signed());
    rows.number(6, object.commit_id.cast_signed());
}

fn state<'g>(state: Option<&'g Json>, column: usize, rows: &mut Columns<'g>) {
    let form = state.map(|state| form(state.as_str()));
    let exact = form.as_ref().and_then(|form| form.exact);
    rows.optional_text(column + 1, exact.map(Into::into));
    rows.optional_text(column, form.map(|form| form.query));
}

fn insert_message<'g>(message: &'g OutboxMessage, rows: &mut Columns<'g>) {
    let (sender, target) = (&message.id.sender, &message.target);
    rows.text(0, sender.namespace().as_str().into());
    rows.text(1, sender.kind().as_str().into());
    rows.text(2, escaped(sender.id()));
    rows.number(3, message.id.n.cast_signed());
    rows.text(4, target.namespace().as_str().into());
    rows.text(5, target.kind().as_str().into());
    rows.text(6, escaped(target.id()));
    rows.text(7, escaped(&message.handler));
    rows.text(8, message.args.as_str().into());
    rows.optional_text(9, message.principal.as_ref().map(|principal| principal.as_str().into()));
    rows.number(10, message.at.as_millis());
}

const INSERT_OBJECTS: &str = "
    INSERT INTO objects (oid, namespace, kind, id, shard, head, floor, incarnation, version, created_at,
                         updated_at, commit_id, state, exact)
    SELECT u.oid, u.namespace, u.kind, u.id, u.shard, u.head, u.floor, u.incarnation, u.version, u.created_at,
           u.updated_at, u.commit_id, u.state::jsonb, u.exact
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[])
      AS u (oid, namespace, kind, id, shard, head, floor, incarnation, version, created_at,
            updated_at, commit_id, state, exact)";

/// Fails, by a division by zero, if not every object is as it was found: its last commit is compared, too, because
/// some leave the head where it is.
const PUT_OBJECTS: &str = "
    WITH done AS (
      UPDATE objects AS o SET head = u.head, floor = u.floor, incarnation = u.incarnation, commit_id = u.commit_id,
        version = coalesce(u.version, o.version), created_at = coalesce(u.created_at, o.created_at),
        updated_at = coalesce(u.updated_at, o.updated_at), state = u.state::jsonb, exact = u.exact
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                  $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[])
        AS u (oid, before, commit_before, head, floor, incarnation, commit_id, version, created_at, updated_at, state,
              exact)
      WHERE o.oid = u.oid AND o.head = u.before AND o.commit_id = u.commit_before
      RETURNING 1
    )
    SELECT 1 / (CASE WHEN (SELECT count(*) FROM done) = array_length($1::bigint[], 1) THEN 1 ELSE 0 END)";

const KEEP_OBJECTS: &str = "
    WITH done AS (
      UPDATE objects AS o SET head = u.head, floor = u.floor, incarnation = u.incarnation, commit_id = u.commit_id,
        updated_at = coalesce(u.updated_at, o.updated_at)
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                  $8::bigint[])
        AS u (oid, before, commit_before, head, floor, incarnation, commit_id, updated_at)
      WHERE o.oid = u.oid AND o.head = u.before AND o.commit_id = u.commit_before
      RETURNING 1
    )
    SELECT 1 / (CASE WHEN (SELECT count(*) FROM done) = array_length($1::bigint[], 1) THEN 1 ELSE 0 END)";

const ERASE_LOG: &str = "
    UPDATE log SET at = NULL, body = NULL, snapshot = NULL WHERE oid = ANY($1::bigint[]) AND body IS NOT NULL";

const INSERT_LOG: &str = "
    INSERT INTO log (shard, pos, oid, first, seq, at, body, snapshot)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                         $7::text[], $8::text[])";

const DROP_ALARMS: &str = "DELETE FROM alarms WHERE oid = ANY($1::bigint[])";

const REMOVE_ALARMS: &str = "
    DELETE FROM alarms WHERE (oid, name) IN (SELECT u.oid, u.name FROM unnest($1::bigint[], $2::text[]) AS u (oid, name))";

const SET_ALARMS: &str = "
    INSERT INTO alarms (oid, name, due, dead, token, attempt, payload, schedule, error, principal)
    SELECT u.oid, u.name, u.due, u.dead = 1, u.token, u.attempt, u.payload, u.schedule, u.error, u.principal
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
                $8::text[], $9::text[], $10::text[])
      AS u (oid, name, due, dead, token, attempt, payload, schedule, error, principal)
    ON CONFLICT (oid, name) DO UPDATE SET due = excluded.due, dead = excluded.dead, token = excluded.token,
      attempt = excluded.attempt, payload = excluded.payload, schedule = excluded.schedule, error = excluded.error,
      principal = excluded.principal";

const INSERT_MESSAGES: &str = "
    INSERT INTO outbox (namespace, kind, id, n, target_namespace, target_kind, target_id, handler, args, principal, at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::text[], $10::text[], $11::bigint[])
    ON CONFLICT (namespace, kind, id, n) DO UPDATE SET target_namespace = excluded.target_namespace,
      target_kind = excluded.target_kind, target_id = excluded.target_id, handler = excluded.handler,
      args = excluded.args, principal = excluded.principal, at = excluded.at";

const REMOVE_MESSAGES: &str = "
    DELETE FROM outbox WHERE (namespace, kind, id, n) IN (
      SELECT u.namespace, u.kind, u.id, u.n
      FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS u (namespace, kind, id, n))";

const SET_RECEIVED: &str = "
    INSERT INTO received (oid, namespace, kind, id, n)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])
    ON CONFLICT (oid, namespace, kind, id) DO UPDATE SET n = greatest(received.n, excluded.n)";

const SET_OUTCOMES: &str = "
    INSERT INTO outcomes (oid, caller, call_key, fingerprint, seq, ok, reply, expires_at)
    SELECT u.oid, u.caller, u.call_key, u.fingerprint, u.seq, u.ok = 1, u.reply, u.expires_at
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
      AS u (oid, caller, call_key, fingerprint, seq, ok, reply, expires_at)
    ON CONFLICT (oid, caller, call_key) DO UPDATE SET fingerprint = excluded.fingerprint, seq = excluded.seq,
      ok = excluded.ok, reply = excluded.reply, expires_at = excluded.expires_at";
