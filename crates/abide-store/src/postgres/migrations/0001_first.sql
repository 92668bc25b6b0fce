-- The first schema. docs/format/postgres.md says what each column means.
CREATE TABLE shards (
  shard      bigint PRIMARY KEY,
  epoch      bigint NOT NULL,
  feed_floor bigint NOT NULL
);

CREATE SEQUENCE oids INCREMENT BY 1024;

CREATE TABLE objects (
  oid         bigint PRIMARY KEY,
  namespace   text COLLATE "C" NOT NULL,
  kind        text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  shard       bigint NOT NULL,
  head        bigint NOT NULL,
  floor       bigint NOT NULL,
  incarnation bigint NOT NULL,
  version     bigint NOT NULL,
  created_at  bigint NOT NULL,
  updated_at  bigint NOT NULL,
  commit_id   bigint NOT NULL,
  state       jsonb,
  exact       text
);

CREATE UNIQUE INDEX objects_name ON objects (namespace, kind, id);

CREATE TABLE log (
  shard    bigint NOT NULL,
  pos      bigint NOT NULL,
  oid      bigint NOT NULL,
  first    bigint,
  seq      bigint NOT NULL,
  at       bigint,
  body     text,
  snapshot text,
  PRIMARY KEY (shard, pos)
);

CREATE INDEX log_of_object ON log (oid, seq);
CREATE INDEX log_snapshots ON log (oid, seq) WHERE snapshot IS NOT NULL;

CREATE TABLE alarms (
  oid      bigint NOT NULL,
  name     text COLLATE "C" NOT NULL,
  due      bigint NOT NULL,
  dead     boolean NOT NULL,
  token    bigint NOT NULL,
  attempt  bigint NOT NULL,
  payload  text NOT NULL,
  schedule text,
  error    text,
  PRIMARY KEY (oid, name)
);

CREATE INDEX alarms_due ON alarms (due) WHERE NOT dead;

CREATE TABLE outbox (
  namespace        text COLLATE "C" NOT NULL,
  kind             text COLLATE "C" NOT NULL,
  id               text COLLATE "C" NOT NULL,
  n                bigint NOT NULL,
  target_namespace text COLLATE "C" NOT NULL,
  target_kind      text COLLATE "C" NOT NULL,
  target_id        text COLLATE "C" NOT NULL,
  handler          text NOT NULL,
  args             text NOT NULL,
  principal        text,
  at               bigint NOT NULL,
  PRIMARY KEY (namespace, kind, id, n)
);

CREATE TABLE received (
  oid       bigint NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  kind      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  n         bigint NOT NULL,
  PRIMARY KEY (oid, namespace, kind, id)
);

CREATE TABLE outcomes (
  oid         bigint NOT NULL,
  caller      text COLLATE "C" NOT NULL,
  call_key    text COLLATE "C" NOT NULL,
  fingerprint bigint NOT NULL,
  seq         bigint NOT NULL,
  ok          boolean NOT NULL,
  reply       text NOT NULL,
  expires_at  bigint NOT NULL,
  PRIMARY KEY (oid, caller, call_key)
);

CREATE INDEX outcomes_expiry ON outcomes (expires_at);

CREATE TABLE indexes (
  kind   text COLLATE "C" NOT NULL,
  path   text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (kind, path)
);
