//! A page on its way to the server: each table by one COPY.

use std::{borrow::Cow, error::Error, pin::pin};

use bytes::BytesMut;
use tokio_postgres::{
    binary_copy::BinaryCopyInWriter,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::page::Page;
use crate::postgres::{connect::Conn, fault::Result, form::form, text::escaped};

const N: Type = Type::INT8;
const T: Type = Type::TEXT;

impl Page<'_> {
    /// Sends all of it.
    pub(super) async fn copy(&self, conn: &Conn) -> Result<()> {
        self.copy_objects(conn).await?;
        self.copy_log(conn).await?;
        self.copy_alarms(conn).await?;
        self.copy_received(conn).await?;
        self.copy_outcomes(conn).await?;
        self.copy_messages(conn).await
    }

    async fn copy_objects(&self, conn: &Conn) -> Result<()> {
        if self.objects.is_empty() {
            return Ok(());
        }
        let types = [N, T, T, T, N, N, N, N, N, N, N, N, Type::JSONB, T];
        let mut to = pin!(begin(conn, OBJECTS, &types).await?);
        for (oid, shard, row) in &self.objects {
            let form = row.state.as_ref().map(|state| form(state.as_str()));
            let exact = form.as_ref().and_then(|form| form.exact);
            to.as_mut()
                .write(&[
                    oid,
                    &row.key.namespace().as_str(),
                    &row.key.kind().as_str(),
                    &escaped(row.key.id()),
                    &i64::from(*shard),
                    &row.head.number().cast_signed(),
                    &row.floor.number().cast_signed(),
                    &row.incarnation.number().cast_signed(),
                    &i64::from(row.version),
                    &row.created_at.as_millis(),
                    &row.updated_at.as_millis(),
                    &row.commit_id.cast_signed(),
                    &form.as_ref().map(|form| Jsonb(&form.query)),
                    &exact,
                ])
                .await?;
        }
        to.finish().await?;
        Ok(())
    }

    async fn copy_log(&self, conn: &Conn) -> Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        let mut to = pin!(begin(conn, LOG, &[N, N, N, N, N, N, T, T]).await?);
        for entry in &self.log {
            let change = entry.change;
            let snapshot = change.and_then(|change| change.snapshot.as_ref());
            to.as_mut()
                .write(&[
                    &i64::from(entry.shard),
                    &entry.position,
                    &entry.oid,
                    &entry.first,
                    &entry.seq,
                    &change.map(|change| change.at.as_millis()),
                    &change.map(|change| change.json.as_str()),
                    &snapshot.map(|snapshot| snapshot.as_str()),
                ])
                .await?;
        }
        to.finish().await?;
        Ok(())
    }

    async fn copy_alarms(&self, conn: &Conn) -> Result<()> {
        if self.alarms.is_empty() {
            return Ok(());
        }
        let mut to = pin!(begin(conn, ALARMS, &[N, T, N, Type::BOOL, N, N, T, T, T, T]).await?);
        for (oid, alarm) in &self.alarms {
            let schedule = alarm.schedule.as_ref().map(serde_json::to_string).transpose()?;
            to.as_mut()
                .write(&[
                    oid,
                    &escaped(&alarm.name),
                    &alarm.due.as_millis(),
                    &alarm.dead.is_some(),
                    &alarm.token.cast_signed(),
                    &i64::from(alarm.attempt),
                    &alarm.payload.as_str(),
                    &schedule,
                    &alarm.dead.as_deref().map(escaped),
                    &alarm.principal.as_ref().map(|principal| principal.as_str()),
                ])
                .await?;
        }
        to.finish().await?;
        Ok(())
    }

    async fn copy_received(&self, conn: &Conn) -> Result<()> {
        if self.received.is_empty() {
            return Ok(());
        }
        let mut to = pin!(begin(conn, RECEIVED, &[N, T, T, T, N]).await?);
        for (oid, sender, n) in &self.received {
            let (namespace, kind) = (sender.namespace().as_str(), sender.kind().as_str());
            to.as_mut().write(&[oid, &namespace, &kind, &escaped(sender.id()), &n.cast_signed()]).await?;
        }
        to.finish().await?;
        Ok(())
    }

    async fn copy_outcomes(&self, conn: &Conn) -> Result<()> {
        if self.outcomes.is_empty() {
            return Ok(());
        }
        let mut to = pin!(begin(conn, OUTCOMES, &[N, T, T, N, N, Type::BOOL, T, N]).await?);
        for (oid, outcome) in &self.outcomes {
            let reply: Cow<'_, str> = match &outcome.reply {
                Ok(reply) => reply.as_str().into(),
                Err(error) => serde_json::to_string(error)?.into(),
            };
            to.as_mut()
                .write(&[
                    oid,
                    &escaped(&outcome.caller),
                    &escaped(&outcome.call_key),
                    &outcome.fingerprint.cast_signed(),
                    &outcome.seq.number().cast_signed(),
                    &outcome.reply.is_ok(),
                    &reply,
                    &outcome.expires_at.as_millis(),
                ])
                .await?;
        }
        to.finish().await?;
        Ok(())
    }

    async fn copy_messages(&self, conn: &Conn) -> Result<()> {
        if self.messages.is_empty() {
            return Ok(());
        }
        let mut to = pin!(begin(conn, OUTBOX, &[T, T, T, N, T, T, T, T, T, T, N]).await?);
        for message in &self.messages {
            let (sender, target) = (&message.id.sender, &message.target);
            to.as_mut()
                .write(&[
                    &sender.namespace().as_str(),
                    &sender.kind().as_str(),
                    &escaped(sender.id()),
                    &message.id.n.cast_signed(),
                    &target.namespace().as_str(),
                    &target.kind().as_str(),
                    &escaped(target.id()),
                    &escaped(&message.handler),
                    &message.args.as_str(),
                    &message.principal.as_ref().map(|principal| principal.as_str()),
                    &message.at.as_millis(),
                ])
                .await?;
        }
        to.finish().await?;
        Ok(())
    }
}

async fn begin(conn: &Conn, sql: &'static str, types: &[Type]) -> Result<BinaryCopyInWriter> {
    let statement = conn.statement(sql).await?;
    Ok(BinaryCopyInWriter::new(conn.limited(conn.client().copy_in(&statement)).await?, types))
}

/// A text of `jsonb`, in the form in which the server takes it.
#[derive(Debug)]
struct Jsonb<'t>(&'t str);

impl ToSql for Jsonb<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        const VERSION: u8 = 1;
        out.extend_from_slice(&[VERSION]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}

const OBJECTS: &str = "
    COPY objects (oid, namespace, kind, id, shard, head, floor, incarnation, version, created_at, updated_at, commit_id,
                  state, exact) FROM STDIN (FORMAT binary)";

const LOG: &str = "COPY log (shard, pos, oid, first, seq, at, body, snapshot) FROM STDIN (FORMAT binary)";

const ALARMS: &str = "
    COPY alarms (oid, name, due, dead, token, attempt, payload, schedule, error, principal) FROM STDIN (FORMAT binary)";

const RECEIVED: &str = "COPY received (oid, namespace, kind, id, n) FROM STDIN (FORMAT binary)";

const OUTCOMES: &str = "
    COPY outcomes (oid, caller, call_key, fingerprint, seq, ok, reply, expires_at) FROM STDIN (FORMAT binary)";

const OUTBOX: &str = "
    COPY outbox (namespace, kind, id, n, target_namespace, target_kind, target_id, handler, args, principal, at)
    FROM STDIN (FORMAT binary)";
