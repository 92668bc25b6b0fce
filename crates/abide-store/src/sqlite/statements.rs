use abide_core::{
    ChangeRecord, Json, Key, Seq,
    port::store::{Alarm, MessageId, OutboxMessage, Outcome},
};
use rusqlite::{Connection, Row, Statement};

use super::{fault::Result, place::Place};

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
    pub(super) insert_step: Statement<'c>,
    set_mark: Statement<'c>,
    drop_marks: Statement<'c>,
    find_entry: Statement<'c>,
    erase_entry: Statement<'c>,
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
            find: prepare("SELECT oid, head, floor, pos FROM objects WHERE namespace = ? AND kind = ? AND id = ?")?,
            insert_object: prepare(
                "INSERT INTO objects (oid, namespace, kind, id, shard, head, floor, pos, incarnation,
                 version, created_at, updated_at, commit_id, state)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            put_object: prepare(
                "UPDATE objects SET head = ?2, floor = ?3, pos = ?4, incarnation = ?5, commit_id = ?6,
                 updated_at = ?7, version = coalesce(?8, version),
                 created_at = coalesce(?9, created_at), state = ?10 WHERE oid = ?1",
            )?,
            keep_object: prepare(
                "UPDATE objects SET head = ?2, floor = ?3, pos = ?4, incarnation = ?5, commit_id = ?6,
                 updated_at = coalesce(?7, updated_at) WHERE oid = ?1",
            )?,
            insert_change: prepare("INSERT INTO log (pos, oid, seq, prev, at, body) VALUES (?, ?, ?, ?, ?, ?)")?,
            insert_step: prepare("INSERT INTO log (pos, oid, first, seq, prev) VALUES (?, ?, ?, ?, ?)")?,
            set_mark: prepare("INSERT INTO marks (oid, seq, pos, snapshot) VALUES (?, ?, ?, ?)")?,
            drop_marks: prepare("DELETE FROM marks WHERE oid = ? AND seq <= ?")?,
            find_entry: prepare("SELECT seq, prev FROM log WHERE pos = ?")?,
            erase_entry: prepare("UPDATE log SET at = NULL, body = NULL WHERE pos = ?")?,
            set_alarm: prepare(
                "INSERT OR REPLACE INTO alarms (oid, name, due, dead, token, attempt, payload,
                 schedule, error, principal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            remove_alarm: prepare("DELETE FROM alarms WHERE oid = ? AND name = ?")?,
            drop_alarms: prepare("DELETE FROM alarms WHERE oid = ?")?,
            insert_message: prepare(
                "INSERT OR REPLACE INTO outbox (namespace, kind, id, n, target_namespace,
                 target_kind, target_id, handler, args, principal, at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            remove_message: prepare("DELETE FROM outbox WHERE namespace = ? AND kind = ? AND id = ? AND n = ?")?,
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
        place.pos = row.get(3)?;
        place.new = false;
        Ok(Some(place))
    }

    /// Notes where in the log a change of an object is, and takes the chance to drop notes of what
    /// is no longer kept.
    pub(super) fn set_mark(&mut self, oid: i64, floor: Seq, pos: i64, change: &ChangeRecord) -> Result<()> {
        if floor > Seq::ZERO {
            self.drop_marks(oid, floor)?;
        }
        let seq = change.seq.number().cast_signed();
        let snapshot = change.snapshot.as_ref().map(Json::as_str);
        self.set_mark.execute((oid, seq, pos, snapshot))?;
        Ok(())
    }

    pub(super) fn drop_marks(&mut self, oid: i64, to: Seq) -> Result<()> {
        self.drop_marks.execute((oid, to.number().cast_signed()))?;
        Ok(())
    }

    /// Empties the entries of an object from the one at `pos` down to its floor.
    pub(super) fn erase(&mut self, mut pos: i64, floor: Seq) -> Result<()> {
        loop {
            let entry = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
            let (seq, prev) = self.find_entry.query_row([pos], entry)?;
            self.erase_entry.execute([pos])?;
            if seq.cast_unsigned() <= floor.next().number() {
                return Ok(());
            }
            pos = prev;
        }
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
            alarm.principal.as_ref().map(|principal| principal.as_str()),
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
            message.principal.as_ref().map(|principal| principal.as_str()),
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
