-- The first schema. docs/format/sqlite.md says what each column means.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shards (
  shard INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL
) STRICT;

CREATE TABLE objects (
  oid         INTEGER PRIMARY KEY,
  namespace   TEXT    NOT NULL,
  kind        TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  shard       INTEGER NOT NULL,
  head        INTEGER NOT NULL,
  floor       INTEGER NOT NULL,
  pos         INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  commit_id   INTEGER NOT NULL,
  state       TEXT,
  UNIQUE (namespace, kind, id)
) STRICT;

CREATE TABLE log (
  pos   INTEGER PRIMARY KEY,
  oid   INTEGER NOT NULL,
  first INTEGER,
  seq   INTEGER NOT NULL,
  prev  INTEGER NOT NULL,
  at    INTEGER,
  body  TEXT
) STRICT;

CREATE TABLE marks (
  oid      INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  pos      INTEGER NOT NULL,
  snapshot TEXT,
  PRIMARY KEY (oid, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarms (
  oid      INTEGER NOT NULL,
  name     TEXT    NOT NULL,
  due      INTEGER NOT NULL,
  dead     INTEGER NOT NULL,
  token    INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  payload  TEXT    NOT NULL,
  schedule TEXT,
  error    TEXT,
  PRIMARY KEY (oid, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX alarms_due ON alarms (dead, due);

CREATE TABLE outbox (
  namespace        TEXT    NOT NULL,
  kind             TEXT    NOT NULL,
  id               TEXT    NOT NULL,
  n                INTEGER NOT NULL,
  target_namespace TEXT    NOT NULL,
  target_kind      TEXT    NOT NULL,
  target_id        TEXT    NOT NULL,
  handler          TEXT    NOT NULL,
  args             TEXT    NOT NULL,
  principal        TEXT,
  at               INTEGER NOT NULL,
  PRIMARY KEY (namespace, kind, id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE received (
  oid       INTEGER NOT NULL,
  namespace TEXT    NOT NULL,
  kind      TEXT    NOT NULL,
  id        TEXT    NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (oid, namespace, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
  oid         INTEGER NOT NULL,
  caller      TEXT    NOT NULL,
  call_key    TEXT    NOT NULL,
  fingerprint INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  ok          INTEGER NOT NULL,
  reply       TEXT    NOT NULL,
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (oid, caller, call_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX outcomes_expiry ON outcomes (expires_at);
