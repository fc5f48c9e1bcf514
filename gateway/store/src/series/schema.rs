//! The tables of `series.db`.
//!
//! A *part* is a blob of readings: a `recent` row holds the new ones of a few neighbouring streams (a *bucket*)
//! and is written with each batch, a `chunk` those of one stream, once there are enough. Both carry the bounds by
//! which they are found: time taken (`t0`, `t1`), device times that differ from it (`d0`, `d1`), counters
//! of readings without device time (`q0`, `q1`) and journal sequence (`s0`, `s1`). `latest` is written less often than batches come: it holds what was taken in up to
//! `applied.latest_through`, the rest is in recent rows. `superseded` holds what a correction has replaced.

use crate::sqlite::Kind;

/// `series.db`.
pub(super) const SERIES: Kind = Kind {
    file: "series.db",
    application_id: 0x4f52_4432,
    version: 3,
    full: false,
    page: 4096,
    schema: SCHEMA,
    steps: &[REPLACED_BY_TIME, LARGER_CHUNKS],
};

/// Version 2: what a correction replaced is found by its time. The table of version 1 was never written.
const REPLACED_BY_TIME: &str = "
DROP TABLE superseded;
CREATE TABLE superseded(
  stream INTEGER NOT NULL,
  at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  by_seq INTEGER NOT NULL,
  by_idx INTEGER NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY(stream, at, seq, idx)
) STRICT, WITHOUT ROWID;
";

/// Version 3: streams that say little are gathered until a chunk has 4,096 readings; what is smaller must be found.
const LARGER_CHUNKS: &str = "
DROP INDEX chunk_small;
CREATE INDEX chunk_small ON chunk(stream) WHERE n < 4096;
";

const SCHEMA: &str = "
CREATE TABLE applied(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL,
  latest_through INTEGER NOT NULL
) STRICT;
INSERT INTO applied VALUES(1, 0, 0);
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE stream(
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  stream TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  class TEXT NOT NULL
) STRICT;
CREATE TABLE recent(
  id INTEGER PRIMARY KEY,
  bucket INTEGER NOT NULL,
  t0 INTEGER NOT NULL,
  t1 INTEGER NOT NULL,
  d0 INTEGER,
  d1 INTEGER,
  q0 INTEGER,
  q1 INTEGER,
  s0 INTEGER NOT NULL,
  s1 INTEGER NOT NULL,
  received INTEGER NOT NULL,
  n INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE INDEX recent_bucket ON recent(bucket, t1, t0);
CREATE INDEX recent_device_time ON recent(bucket, d1, d0) WHERE d0 IS NOT NULL;
CREATE INDEX recent_sequence ON recent(bucket, q1, q0) WHERE q0 IS NOT NULL;
CREATE INDEX recent_seq ON recent(s1);
CREATE TABLE chunk(
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  t0 INTEGER NOT NULL,
  t1 INTEGER NOT NULL,
  d0 INTEGER,
  d1 INTEGER,
  q0 INTEGER,
  q1 INTEGER,
  s0 INTEGER NOT NULL,
  s1 INTEGER NOT NULL,
  n INTEGER NOT NULL,
  rolled INTEGER NOT NULL,
  format INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_stream ON chunk(stream, t1, t0);
CREATE INDEX chunk_device_time ON chunk(stream, d1, d0) WHERE d0 IS NOT NULL;
CREATE INDEX chunk_sequence ON chunk(stream, q1, q0) WHERE q0 IS NOT NULL;
CREATE INDEX chunk_seq ON chunk(s1, s0);
CREATE INDEX chunk_small ON chunk(stream) WHERE n < 1024;
CREATE TABLE latest(
  stream INTEGER PRIMARY KEY,
  taken_at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE TABLE rollup_1m(key INTEGER PRIMARY KEY, blob BLOB NOT NULL) STRICT;
CREATE TABLE rollup_1h(key INTEGER PRIMARY KEY, blob BLOB NOT NULL) STRICT;
CREATE TABLE superseded(
  stream INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  by_seq INTEGER NOT NULL,
  by_idx INTEGER NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY(stream, seq, idx)
) STRICT, WITHOUT ROWID;
";
