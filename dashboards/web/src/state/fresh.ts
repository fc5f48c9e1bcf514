import type { Device, Latest } from "../api/types";

/** How old a value is, told by what its device promised. */
export type Freshness = "fresh" | "stale" | "silent";

/** After so many expected intervals a value is old. */
const STALE_AFTER = 2;
/** After so many expected intervals without a word a device is silent. */
const SILENT_AFTER = 3;

/** Whether a device is silent: the gateway says so, or it has been for too long by the clock since the gateway spoke. */
export function silent(device: Device, nowMs: number): boolean {
  if (device.online === false) return true;
  if (device.expect_every_s === null || device.last_seen === null) return false;
  return nowMs - Date.parse(device.last_seen) > device.expect_every_s * 1000 * SILENT_AFTER;
}

/**
 * Old is never shown as new, and this does not depend on any alarm: past its expected interval a value is stale,
 * and when its device is silent it is no value any more. A device that promised nothing (a home meter) only ages.
 */
export function freshness(device: Device, latest: Latest | undefined, nowMs: number): Freshness {
  if (silent(device, nowMs)) return "silent";
  const expected = device.expect_every_s;
  if (expected === null || !latest) return "fresh";
  const age = nowMs - Date.parse(latest.received_at);
  return age > expected * 1000 * STALE_AFTER ? "stale" : "fresh";
}

/** The latest reading of a device over all of its streams. */
export function newest(device: Device): Latest | undefined {
  return device.latest.reduce<Latest | undefined>((best, one) => (!best || one.taken_at > best.taken_at ? one : best), undefined);
}
