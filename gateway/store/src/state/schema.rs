//! The tables of `state.db`.
//!
//! *Decided* tables are a function of the journal: only [`super::StateStore::commit`] writes them (and takes
//! away what every reader of a queue has passed). *Delivery* tables tell how far the outside has got: only
//! [`super::StateStore::deliver`] writes them, save the first row of an attempt.

use crate::sqlite::Kind;

/// `state.db`.
pub(super) const STATE: Kind = Kind {
    file: "state.db",
    application_id: 0x4f52_4431,
    version: 6,
    full: true,
    page: 4096,
    schema: SCHEMA,
    steps: &[DAMAGE, TAKEN_AND_SUBSCRIBED, COMMANDS, TASKS, REGISTRY],
};

/// Condition for an alert that the engine still needs; must stand literally in queries to use the index.
pub(super) const LIVE: &str = "(condition <> 'cleared' OR handling <> 'closed')";

/// What the journal has lost, by place: each is shown once, also when it is met again. `seq` is where quarantine
/// shows it; `seen` says that a person has taken it away there.
const DAMAGE: &str = "
CREATE TABLE damage(
  segment INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  found_at INTEGER NOT NULL,
  seen INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(segment, offset, bytes)
) STRICT, WITHOUT ROWID;
";

/// Which of several receivers have taken a notice, and which filters the sessions at brokers may hold.
const TAKEN_AND_SUBSCRIBED: &str = "
CREATE TABLE notice_taken(
  outbox INTEGER NOT NULL,
  receiver TEXT NOT NULL,
  PRIMARY KEY(outbox, receiver)
) STRICT, WITHOUT ROWID;
CREATE TABLE subscription(
  source TEXT NOT NULL,
  filter TEXT NOT NULL,
  PRIMARY KEY(source, filter)
) STRICT, WITHOUT ROWID;
";

/// What devices were told to do. Decided, like the other tables that a commit writes.
const COMMANDS: &str = "
CREATE TABLE command(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL,
  state TEXT NOT NULL,
  decided_at INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE INDEX command_device ON command(device, n);
CREATE INDEX command_open ON command(n) WHERE state = 'sent';
";

/// What somebody has to do. Decided. `ended_even` is the end by the engine's even clock, `ended_at` by the wall.
const TASKS: &str = "
CREATE TABLE task(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  list TEXT NOT NULL,
  state TEXT NOT NULL,
  owner TEXT,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  ended_even INTEGER,
  blob BLOB NOT NULL
) STRICT;
CREATE INDEX task_open ON task(list) WHERE ended_at IS NULL;
CREATE INDEX task_ended ON task(ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX task_even ON task(ended_even) WHERE ended_even IS NOT NULL;
CREATE TABLE task_step(
  task TEXT NOT NULL,
  number INTEGER NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY(task, number)
) STRICT, WITHOUT ROWID;
";

/// Places and things, a row each. Decided.
const REGISTRY: &str = "
CREATE TABLE registry(
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY(kind, id)
) STRICT, WITHOUT ROWID;
";

const SCHEMA: &str = "
-- decided
CREATE TABLE meta(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  cursor INTEGER NOT NULL,
  commit_no INTEGER NOT NULL,
  quarantined INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES(1, 0, 0, 0);
CREATE TABLE engine(one INTEGER PRIMARY KEY CHECK (one = 1), blob BLOB NOT NULL) STRICT;
CREATE TABLE device(
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL UNIQUE,
  class TEXT NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE TABLE twin(id INTEGER PRIMARY KEY, device TEXT NOT NULL UNIQUE, blob BLOB NOT NULL) STRICT;
CREATE TABLE alert(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  condition TEXT NOT NULL,
  handling TEXT NOT NULL,
  severity TEXT NOT NULL,
  class TEXT NOT NULL,
  device TEXT NOT NULL,
  began_at INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE INDEX alert_live ON alert(condition, handling)
  WHERE (condition <> 'cleared' OR handling <> 'closed');
CREATE INDEX alert_device ON alert(device);
CREATE TABLE alert_transition(
  alert TEXT NOT NULL,
  number INTEGER NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY(alert, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE config_text(
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  hash BLOB NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY(kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE batch(
  last_seq INTEGER PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  n INTEGER NOT NULL,
  format INTEGER NOT NULL,
  blob BLOB NOT NULL
) STRICT;
CREATE TABLE audit_out(
  seq INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY(seq, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  decided_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE quarantine(
  seq INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  source TEXT NOT NULL,
  address TEXT NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  excerpt BLOB NOT NULL,
  PRIMARY KEY(seq, idx)
) STRICT, WITHOUT ROWID;
-- delivery
CREATE TABLE consumer(name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit_head(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  n INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE hole(
  consumer TEXT NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  PRIMARY KEY(consumer, from_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE attempt(
  outbox INTEGER PRIMARY KEY,
  tries INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
  next_at INTEGER NOT NULL,
  last_error TEXT
) STRICT;
CREATE INDEX attempt_due ON attempt(next_at) WHERE state = 'waiting';
";
