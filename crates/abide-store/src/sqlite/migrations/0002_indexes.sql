-- Which fields of which kinds are indexed: the index is named `indexed_` and its number.
CREATE TABLE indexes (
  kind   TEXT    NOT NULL,
  path   TEXT    NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (kind, path)
) STRICT, WITHOUT ROWID;
