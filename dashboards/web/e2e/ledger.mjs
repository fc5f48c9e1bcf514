import { readFileSync } from "node:fs";

/**
 * The simulator's ledger: one JSON object a line, with `device`, `class`, `device_time` (ms or RFC 3339), `acked`
 * and either `values` (metric to number or token) or `payload` (the JSON text as it was sent). Only what was
 * acknowledged is promised; of each device the latest `most` are kept, newest first.
 */
export function readLedger(path, most) {
  const devices = new Map();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (!line.startsWith("{")) continue;
    const entry = parse(JSON.parse(line));
    if (!entry) continue;
    const known = devices.get(entry.device) ?? [];
    known.push(entry);
    devices.set(entry.device, known);
  }
  for (const [device, entries] of devices) {
    entries.sort((a, b) => b.takenAt.localeCompare(a.takenAt));
    devices.set(device, entries.slice(0, most));
  }
  return devices;
}

function parse(line) {
  const values = line.values ?? (typeof line.payload === "string" ? payload(line.payload) : line.payload);
  if (line.acked === false || !values || line.fault) return null;
  const time = line.device_time ?? values.t;
  if (time === undefined || time === null) return null;
  return { device: line.device, class: line.class, takenAt: new Date(time).toISOString(), values };
}

function payload(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
