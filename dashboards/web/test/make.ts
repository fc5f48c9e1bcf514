import type { Alert, Device, Latest, Metric, Value } from "../src/api/types";

export function value(v: Value["value"], unit = "", more: Partial<Value> = {}): Value {
  return { value: v, unit, quality: "good", ...more };
}

export function latest(values: Record<string, Value>, at = "2026-11-21T00:00:00.000Z"): Latest {
  return { stream: "reading", taken_at: at, received_at: at, marks: [], values };
}

export function device(id: string, more: Partial<Device> = {}): Device {
  return {
    id,
    class: "bp_meter",
    profile: "json",
    zone: null,
    firmware: null,
    epoch: 0,
    self_registered: false,
    revoked: false,
    online: true,
    last_seen: "2026-11-21T00:00:00.000Z",
    expect_every_s: 60,
    latest: [],
    ...more,
  };
}

export function alert(id: string, more: Partial<Alert> = {}): Alert {
  return {
    id,
    rule: "r",
    device: "d",
    class: "bp_meter",
    zone: null,
    metric: null,
    severity: "P3",
    team: "chronic_care",
    text: { zh: "", en: "" },
    condition: "firing",
    handling: "open",
    handled_by: null,
    outcome: null,
    began_at: "2026-11-21T00:00:00.000Z",
    fired_at: null,
    cleared_at: null,
    cleared_reason: null,
    transition: 1,
    ...more,
  };
}

export function metric(name: string, zh: string, en: string, decimals: number | null = null): Metric {
  return { name, label: { zh, en }, kind: "number", unit: "", decimals, states: [] };
}
