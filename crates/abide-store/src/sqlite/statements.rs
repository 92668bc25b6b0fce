use abide_core::{
    Key,
    port::store::{Alarm, MessageId, OutboxMessage, Outcome},
};
use rusqlite::{Connection, Statement};

use super::{cache::Place, fault::Result};

/// The statements of the writer, prepared once.
pub(super) struct Statements<'c> {
    pub(super) begin: Statement<'c>,
    pub(super) commit: Statement<'c>,
    pub(super) data_version: Statement<'c>,
    find: Statement<'c>,
    pub(super) insert_object: Statement<'c>,
    pub(super) put_object: Statement<'c>,
    pub(super) keep_object: Statement<'c>,
    pub(super) insert_change: Statement<'c>,
    pub(super) drop_changes: Statement<'c>,
    pub(super) insert_feed: Statement<'c>,
    set_alarm: Statement<'c>,
    remove_alarm: Statement<'c>,
    drop_alarms: Statement<'c>,
    insert_message: Statement<'c>,
    remove_message: Statement<'c>,
    set_received: Statement<'c>,
    set_outcome: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self> {
        let prepare = |sql| conn.prepare(sql);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            data_version: prepare("PRAGMA data_version")?,
            find: prepare(
                "SELECT oid, head, floor FROM objects WHERE namespace = ? AND kind = ? AND id = ?",
            )?,
            insert_object: prepare(
                "INSERT INTO objects (oid, namespace, kind, id, shard, head, floor, incarnation,
                 version, created_at, updated_at, commit_id, state)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            put_object: prepare(
                "UPDATE objects SET head = ?2, floor = ?3, incarnation = ?4, commit_id = ?5,
                 updated_at = ?6, version = coalesce(?7, version),
                 created_at = coalesce(?8, created_at), state = ?9 WHERE oid = ?1",
            )?,
            keep_object: prepare(
                "UPDATE objects SET head = ?2, floor = ?3, incarnation = ?4, commit_id = ?5,
                 updated_at = coalesce(?6, updated_at) WHERE oid = ?1",
            )?,
            insert_change: prepare("INSERT INTO changes VALUES (?, ?, ?, ?, ?)")?,
            drop_changes: prepare("DELETE FROM changes WHERE oid = ? AND seq <= ?")?,
            insert_feed: prepare("INSERT INTO feed (shard, oid, first, last) VALUES (?, ?, ?, ?)")?,
            set_alarm: prepare(
                "INSERT OR REPLACE INTO alarms (oid, name, due, dead, token, attempt, payload,
                 schedule, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            remove_alarm: prepare("DELETE FROM alarms WHERE oid = ? AND name = ?")?,
            drop_alarms: prepare("DELETE FROM alarms WHERE oid = ?")?,
            insert_message: prepare(
                "INSERT OR REPLACE INTO outbox (namespace, kind, id, n, target_namespace,
                 target_kind, target_id, handler, args, principal, at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            remove_message: prepare(
                "DELETE FROM outbox WHERE namespace = ? AND kind = ? AND id = ? AND n = ?",
            )?,
            set_received: prepare(
                "INSERT INTO received (oid, namespace, kind, id, n) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET n = max(n, excluded.n)",
            )?,
            set_outcome: prepare(
                "INSERT OR REPLACE INTO outcomes (oid, caller, call_key, fingerprint, seq, ok,
                 reply, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
        })
    }

    /// Where an object is, if it ever was.
    pub(super) fn find(&mut self, key: &Key) -> Result<Option<Place>> {
        let (namespace, kind) = (key.namespace().as_str(), key.kind().as_str());
        let mut found = self.find.query((namespace, kind, key.id()))?;
        let Some(row) = found.next()? else {
            return Ok(None);
        };
        let mut place = Place::new(row.get(0)?);
        place.head = super::row::seq(row, 1)?;
        place.floor = super::row::seq(row, 2)?;
        Ok(Some(place))
    }

    pub(super) fn set_alarm(&mut self, oid: i64, alarm: &Alarm) -> Result<()> {
        let schedule = alarm.schedule.as_ref().map(serde_json::to_string);
        self.set_alarm.execute((
            oid,
            &*alarm.name,
            alarm.due.as_millis(),
            alarm.dead.is_some(),
            alarm.token.cast_signed(),
            alarm.attempt,
            alarm.payload.as_str(),
            schedule.transpose()?,
            alarm.dead.as_deref(),
        ))?;
        Ok(())
    }

    pub(super) fn remove_alarm(&mut self, oid: i64, name: &str) -> Result<()> {
        self.remove_alarm.execute((oid, name))?;
        Ok(())
    }

    pub(super) fn drop_alarms(&mut self, oid: i64) -> Result<()> {
        self.drop_alarms.execute([oid])?;
        Ok(())
    }

    pub(super) fn insert_message(&mut self, message: &OutboxMessage) -> Result<()> {
        let (sender, target) = (&message.id.sender, &message.target);
        self.insert_message.execute((
            sender.namespace().as_str(),
            sender.kind().as_str(),
            sender.id(),
            message.id.n.cast_signed(),
            target.namespace().as_str(),
            target.kind().as_str(),
            target.id(),
            &*message.handler,
            message.args.as_str(),
            message
                .principal
                .as_ref()
                .map(|principal| principal.as_str()),
            message.at.as_millis(),
        ))?;
        Ok(())
    }

    pub(super) fn remove_message(&mut self, id: &MessageId) -> Result<()> {
        self.remove_message.execute((
            id.sender.namespace().as_str(),
            id.sender.kind().as_str(),
            id.sender.id(),
            id.n.cast_signed(),
        ))?;
        Ok(())
    }

    pub(super) fn set_received(&mut self, oid: i64, sender: &Key, n: u64) -> Result<()> {
        self.set_received.execute((
            oid,
            sender.namespace().as_str(),
            sender.kind().as_str(),
            sender.id(),
            n.cast_signed(),
        ))?;
        Ok(())
    }

    pub(super) fn set_outcome(&mut self, oid: i64, outcome: &Outcome) -> Result<()> {
        let error;
        let reply = match &outcome.reply {
            Ok(reply) => reply.as_str(),
            Err(e) => {
                error = serde_json::to_string(e)?;
                &error
            }
        };
        self.set_outcome.execute((
            oid,
            &*outcome.caller,
            &*outcome.call_key,
            outcome.fingerprint.cast_signed(),
            outcome.seq.number().cast_signed(),
            outcome.reply.is_ok(),
            reply,
            outcome.expires_at.as_millis(),
        ))?;
        Ok(())
    }
}
