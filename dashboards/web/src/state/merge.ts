import type { Alert, Device } from "../api/types";
import { silent } from "./fresh";
import { placeName } from "./places";

/**
 * Takes devices in. A snapshot and the live updates may cross on the way, so an object that is older than the
 * one at hand is left out.
 */
export function mergeDevices(known: Map<string, Device>, incoming: Device[]): number {
  let changed = 0;
  for (const device of incoming) {
    const old = known.get(device.id);
    if (old?.last_seen && device.last_seen && device.last_seen < old.last_seen) continue;
    known.set(device.id, device);
    changed += 1;
  }
  return changed;
}

/** Takes alerts in; the number of the last step tells which is newer. */
export function mergeAlerts(known: Map<string, Alert>, incoming: Alert[]): number {
  let changed = 0;
  for (const alert of incoming) {
    const old = known.get(alert.id);
    if (old && old.transition > alert.transition) continue;
    known.set(alert.id, alert);
    changed += 1;
  }
  return changed;
}

export interface ClassCount {
  class: string;
  devices: number;
  online: number;
  silent: number;
  lastSeen: string | null;
}

/** Devices by class, the classes in the order of their names; revoked ones do not count. */
export function byClass(devices: Iterable<Device>, nowMs: number): ClassCount[] {
  const counts = new Map<string, ClassCount>();
  for (const device of devices) {
    if (device.revoked) continue;
    let count = counts.get(device.class);
    if (!count) {
      count = { class: device.class, devices: 0, online: 0, silent: 0, lastSeen: null };
      counts.set(device.class, count);
    }
    count.devices += 1;
    if (silent(device, nowMs)) count.silent += 1;
    else count.online += 1;
    if (device.last_seen && (!count.lastSeen || device.last_seen > count.lastSeen)) count.lastSeen = device.last_seen;
  }
  return [...counts.values()].sort((a, b) => a.class.localeCompare(b.class));
}

const HANDLED: Record<Alert["handling"], number> = { open: 0, acknowledged: 1, assigned: 1, in_progress: 1, closed: 2 };

/** Whether it waits for somebody: it is so and not closed, or it was never looked at. */
export function waits(alert: Alert): boolean {
  return alert.handling !== "closed" && (alert.condition === "firing" || HANDLED[alert.handling] > 0 || urgent(alert));
}

/** P1 and P2 that cleared by themselves still need an outcome (DOMAIN 9.4). */
function urgent(alert: Alert): boolean {
  return alert.condition === "cleared" && (alert.severity === "P1" || alert.severity === "P2");
}

/** Waiting ones first, then by severity, then those nobody has seen, then the longest waiting. */
export function sortAlerts(alerts: Iterable<Alert>): Alert[] {
  const rank = (alert: Alert) => (alert.condition === "firing" ? 0 : 1);
  return [...alerts].sort(
    (a, b) =>
      Number(waits(b)) - Number(waits(a)) ||
      rank(a) - rank(b) ||
      a.severity.localeCompare(b.severity) ||
      HANDLED[a.handling] - HANDLED[b.handling] ||
      later(began(b), began(a)) ||
      later(a.id, b.id),
  );
}

/** Order of two plain texts; times as RFC 3339 in UTC are such. */
export function later(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** When it fired, or began when it has not fired yet. */
export function began(alert: Alert): string {
  return alert.fired_at ?? alert.began_at;
}

/** Keeps the map of alerts small: forgets the oldest that are over. */
export function trimAlerts(known: Map<string, Alert>, most: number): void {
  if (known.size <= most) return;
  const over = [...known.values()].filter((alert) => !waits(alert)).sort((a, b) => later(began(a), began(b)));
  for (const alert of over.slice(0, known.size - most)) known.delete(alert.id);
}

const NAMES = new Intl.Collator("en", { numeric: true });

/** Names in the order in which people count: bp-9 before bp-10. */
export function inOrder(names: Iterable<string>): string[] {
  return [...names].sort(NAMES.compare);
}

export interface Filter {
  class: string;
  text: string;
  state: "all" | "silent" | "alert";
}

/** Devices that fit the filter, in the order in which they come. */
export function filterDevices(
  devices: Iterable<Device>,
  filter: Filter,
  alarmed: Set<string>,
  nowMs: number,
): Device[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (device: Device) => {
    if (filter.class && device.class !== filter.class) return false;
    if (filter.state === "silent" && !silent(device, nowMs)) return false;
    if (filter.state === "alert" && !alarmed.has(device.id)) return false;
    const text = `${device.id} ${device.class} ${device.zone ?? ""} ${device.zone === null ? "" : placeName(device.zone)} ${device.profile}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return [...devices].filter(fits);
}
