use abide_core::{Key, Seq, StoreError, port::store::Row};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio_postgres::error::SqlState;

use super::{Progress, page::Page};
use crate::{
    import,
    known::Known,
    postgres::{
        connect::Conn,
        fault::{Fault, Result},
        row::{number, seq},
        text::escaped,
        write::Oids,
    },
};

/// How many objects are remembered, so that what is their own need not look for them: some 90 MB at most.
const REMEMBERED: usize = 1_800_000;

/// An import under way.
pub(super) struct Session {
    conn: Conn,
    progress: Progress,
    shards: u32,
    objects: Known<Imported>,
    /// The last position of each shard.
    positions: FxHashMap<u32, i64>,
    oids: Oids,
}

/// An object that is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Imported {
    pub(super) oid: i64,
    /// The last change that is in; where none is, the floor.
    pub(super) last: Seq,
    pub(super) head: Seq,
}

impl Session {
    pub(super) async fn new(conn: Conn, progress: Progress, shards: u32) -> Result<Self> {
        // A crash of the server may take the last pages back, with their count. The end waits for the disk.
        conn.run("SET synchronous_commit = off").await?;
        let mut positions = FxHashMap::default();
        for row in conn.query(POSITIONS, &[]).await? {
            positions.insert(u32::try_from(number(&row, 0)?).unwrap_or(u32::MAX), row.try_get(1)?);
        }
        Ok(Self { conn, progress, shards, objects: Known::new(REMEMBERED), positions, oids: Oids::default() })
    }

    pub(super) fn rows(&self) -> u64 {
        self.progress.importing.rows
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.conn.is_closed()
    }

    /// Takes in those rows of a page that are not in, all of them in one transaction. After an error the
    /// session is of no more use.
    pub(super) async fn take(&mut self, from: u64, rows: Vec<Row>) -> Result<(), StoreError> {
        let done = self.rows();
        let rows: Vec<Row> = import::fresh(done, from, rows)?.collect();
        if rows.is_empty() {
            return Ok(());
        }
        // Of most objects nothing comes after their last change.
        self.objects.make_room(|object| object.last < object.head);
        self.find(&rows).await?;
        self.number(&rows).await?;
        let mut page = Page::default();
        for row in &rows {
            self.place(row, &mut page)?;
        }
        let now = done + rows.len() as u64;
        self.write(&page, done, now).await.map_err(|fault| twice(&fault).unwrap_or_else(|| fault.into()))?;
        self.progress.importing.rows = now;
        Ok(())
    }

    /// Finds the objects to which rows belong that came without them.
    async fn find(&mut self, rows: &[Row]) -> Result<()> {
        let mut here: FxHashSet<&Key> = FxHashSet::default();
        let mut wanted: FxHashSet<&Key> = FxHashSet::default();
        for row in rows {
            match row {
                Row::Object(object) => drop(here.insert(&object.key)),
                Row::Change { key, .. }
                | Row::Alarm { key, .. }
                | Row::Received { key, .. }
                | Row::Outcome { key, .. } => {
                    if !here.contains(key) && self.objects.get(key).is_none() {
                        wanted.insert(key);
                    }
                }
                Row::Message(_) => {}
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted: Vec<&Key> = wanted.into_iter().collect();
        let namespaces: Vec<&str> = wanted.iter().map(|key| key.namespace().as_str()).collect();
        let kinds: Vec<&str> = wanted.iter().map(|key| key.kind().as_str()).collect();
        let ids: Vec<_> = wanted.iter().map(|key| escaped(key.id())).collect();
        let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
        for row in self.conn.query(FIND, &[&namespaces, &kinds, &ids]).await? {
            let key = wanted.get((number(&row, 0)? as usize).wrapping_sub(1)).ok_or(Fault::Moved)?;
            self.objects.insert(key, Imported { oid: row.try_get(1)?, head: seq(&row, 2)?, last: seq(&row, 3)? });
        }
        Ok(())
    }

    /// Takes as many numbers as there are new objects.
    async fn number(&mut self, rows: &[Row]) -> Result<()> {
        let steps = self.oids.steps_for(rows.iter().filter(|row| matches!(row, Row::Object(_))).count());
        if steps > 0 {
            for row in self.conn.query("SELECT nextval('oids') FROM generate_series(1, $1::bigint)", &[&steps]).await? {
                self.oids.add(row.try_get(0)?);
            }
        }
        Ok(())
    }

    /// Finds a row its place.
    fn place<'r>(&mut self, row: &'r Row, page: &mut Page<'r>) -> Result<(), StoreError> {
        match row {
            Row::Object(object) => {
                let shard = object.key.shard(self.shards).number();
                let oid = self.oids.next().ok_or(Fault::Moved)?;
                page.objects.push((oid, shard, object));
                if object.floor > Seq::ZERO {
                    page.log_step(oid, shard, self.next_position(shard), object.floor);
                }
                self.progress.open += u64::from(object.floor < object.head);
                self.objects.insert(&object.key, Imported { oid, last: object.floor, head: object.head });
            }
            Row::Change { key, change } => {
                let shard = key.shard(self.shards).number();
                let position = self.next_position(shard);
                let object = self.objects.get(key).ok_or_else(|| import::without_object(key))?;
                import::follows(key, object.last, object.head, change)?;
                object.last = change.seq;
                self.progress.open -= u64::from(object.last == object.head);
                page.log_change(object.oid, shard, position, change);
            }
            Row::Alarm { key, alarm } => page.alarms.push((self.oid(key)?, alarm)),
            Row::Received { key, sender, n } => page.received.push((self.oid(key)?, sender, *n)),
            Row::Outcome { key, outcome } => page.outcomes.push((self.oid(key)?, outcome)),
            Row::Message(message) => page.messages.push(message),
        }
        Ok(())
    }

    fn oid(&mut self, key: &Key) -> Result<i64, StoreError> {
        Ok(self.objects.get(key).ok_or_else(|| import::without_object(key))?.oid)
    }

    fn next_position(&mut self, shard: u32) -> i64 {
        let position = self.positions.entry(shard).or_default();
        *position += 1;
        *position
    }

    async fn write(&self, page: &Page<'_>, done: u64, now: u64) -> Result<()> {
        self.conn.run("BEGIN").await?;
        page.copy(&self.conn).await?;
        let (done, now, open) = (done.to_string(), now.to_string(), self.progress.open.to_string());
        let counted = self.conn.execute(COUNT, &[&now, &open, &done]).await?;
        if counted != 2 {
            return Err(Fault::Lost("another process imports into the same store".into()));
        }
        self.conn.run("COMMIT").await
    }
}

/// A row that is there already is no fault of the store's.
fn twice(fault: &Fault) -> Option<StoreError> {
    let Fault::Postgres(error) = fault else { return None };
    (error.code() == Some(&SqlState::UNIQUE_VIOLATION)).then(|| {
        StoreError::Unsupported(format!(
            "the rows to import are not those of one store, one comes twice: {}",
            fault.sentence()
        ))
    })
}

const FIND: &str = "
    SELECT u.place, o.oid, o.head,
           greatest(o.floor, coalesce((SELECT l.seq FROM log l WHERE l.oid = o.oid ORDER BY l.seq DESC LIMIT 1), 0))
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (namespace, kind, id, place)
    JOIN objects o ON o.namespace = u.namespace AND o.kind = u.kind AND o.id = u.id";

const POSITIONS: &str = "
    SELECT s.shard, l.pos FROM shards s,
    LATERAL (SELECT pos FROM log WHERE log.shard = s.shard ORDER BY pos DESC LIMIT 1) AS l";

/// Nobody else has counted meanwhile.
const COUNT: &str = "
    UPDATE meta SET value = CASE name WHEN 'import_rows' THEN $1::text ELSE $2::text END
    WHERE name IN ('import_rows', 'import_open')
      AND EXISTS (SELECT 1 FROM meta AS m WHERE m.name = 'import_rows' AND m.value = $3::text)";
