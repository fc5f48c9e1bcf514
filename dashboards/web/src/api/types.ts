/** The shapes that the gateway sends; described in /api/openapi.json. */

export type Quality = "good" | "uncertain" | "bad";
export type Condition = "pending" | "firing" | "cleared";
export type Handling = "open" | "acknowledged" | "assigned" | "in_progress" | "closed";
export type Severity = "P1" | "P2" | "P3" | "P4";

/** A place of the hospital. */
export interface Zone {
  id: string;
  kind: string;
  in: string | null;
  name: { zh: string; en: string };
  level: number | null;
  capacity: number | null;
  marks: string[];
}

export interface Value {
  value: number | string | null;
  unit: string;
  quality: Quality;
  missing?: string;
  reason?: string;
  raw?: string;
}

export interface Latest {
  stream: string;
  taken_at: string;
  received_at: string;
  marks: string[];
  values: Record<string, Value>;
}

export interface Reading extends Latest {
  origin: string;
  device_time: string | null;
  sequence: number | null;
}

export interface Device {
  id: string;
  class: string;
  profile: string;
  zone: string | null;
  firmware: string | null;
  epoch: number;
  self_registered: boolean;
  revoked: boolean;
  online: boolean | null;
  last_seen: string | null;
  expect_every_s: number | null;
  latest: Latest[];
}

export interface Alert {
  id: string;
  rule: string;
  device: string;
  class: string;
  zone: string | null;
  metric: string | null;
  severity: Severity;
  team: string;
  text: { zh: string; en: string };
  condition: Condition;
  handling: Handling;
  handled_by: string | null;
  outcome: string | null;
  began_at: string;
  fired_at: string | null;
  cleared_at: string | null;
  cleared_reason: string | null;
  transition: number;
}

export interface Transition {
  number: number;
  condition: Condition;
  handling: Handling;
  at: string;
  decided_at: string;
  seq: number;
}

export interface Metric {
  name: string;
  label: { zh: string; en: string } | null;
  kind: "number" | "state" | "text";
  unit: string;
  decimals: number | null;
  states: string[];
}

export interface Profile {
  id: string;
  class: string;
  metrics: Metric[];
}

/** A sentence: its code and what stands in its places. */
export interface Why {
  code: string;
  params: Record<string, string | Why>;
}

export interface QuarantineItem {
  seq: number;
  index: number;
  received_at: string;
  source: string;
  address: string;
  code: string;
  reason: string;
  why: Why | null;
  excerpt: string;
  bytes: number;
  sealed: boolean;
}

/** A device that speaks and is on no register. */
export interface Stranger {
  id: string;
  class: string | null;
  samples: number;
  first_at: string;
  last_at: string;
  address: string;
  excerpt: string;
  suggestions: { profile: string; class: string; fits: boolean; metrics: string[] }[];
}

export interface Status {
  version: string;
  site: string;
  started_at: string;
  now: string;
  journal: { durable: number; unsynced_bytes: number; segments: number; bytes: number };
  engine: { cursor: number; lag: number };
  commit: number;
  sinks: { name: string; cursor: number; lag: number; state: string; last_error: string | null }[];
  sources: { name: string; up: boolean; connections: number; detail: string | null }[];
  rates: { messages_per_s: number; readings_per_s: number };
  counts: {
    devices: number;
    online: number;
    readings: number;
    repeats: number;
    late: number;
    quarantined: number;
  };
  alerts: { firing: number; open: number };
  warnings: { code: string; text: { zh: string; en: string } }[];
}

/** A command that was ordered, and what became of it. */
export interface Command {
  id: string;
  device: string;
  command: string;
  value: string | null;
  state: "sent" | "done" | "failed" | "mismatch" | "not_connected" | "unknown" | "refused" | "expired";
  why: { zh: string; en: string } | null;
  actor: string;
  grant: string | null;
  reason: string;
  happened_at: string;
  decided_at: string;
  expires_at: string;
  ended_at: string | null;
}

/** What must be said with a command. */
export interface Argument {
  label: { zh: string; en: string };
  kind: "text" | "number" | "choice";
  range: [number, number] | null;
  max_bytes: number | null;
  choices: string[];
}

/** What a device can be told to do. */
export interface Possible {
  command: string;
  label: { zh: string; en: string };
  allowed: boolean;
  actuates: boolean;
  role: string;
  argument: Argument | null;
  expiry_s: number;
  timeout_s: number;
}

export interface Commands {
  possible: Possible[];
  commands: Command[];
}

/** Why there is a task: an alert, or what a person said. */
export interface Reason {
  alert: string | null;
  rule: string | null;
  severity: Severity;
  text: { zh: string; en: string };
  at: string;
  excess: number;
  cleared_at: string | null;
  settled: boolean;
  times: number;
}

/** What somebody has to do about one subject. */
export interface Task {
  id: string;
  list: string;
  subject: string;
  device: string | null;
  class: string | null;
  zone: string | null;
  severity: Severity;
  reasons: Reason[];
  state: "open" | "claimed" | "done";
  owner: string | null;
  created_at: string;
  opened_at: string;
  due_at: string;
  claimed_at: string | null;
  waits_until: string | null;
  attempts: number;
  reopened: number;
  ended_at: string | null;
  outcome: string | null;
  note: string | null;
  signer: string | null;
  outcomes: string[];
  note_for: string[];
  second_for: string[];
  steps: number;
}

/** The figures of one list since midnight. */
export interface ListFigures {
  list: string;
  open: number;
  unclaimed: number;
  overdue: number;
  done: number;
  to_claim_s: number | null;
  to_finish_s: number | null;
  outcomes: Record<string, number>;
}
