import { computed, signal } from "@preact/signals";
import type { Alert, Device, Status } from "../api/types";
import { byClass, inOrder, mergeAlerts, mergeDevices, sortAlerts, trimAlerts, waits } from "./merge";

const MOST_ALERTS = 3000;

const devicesById = new Map<string, Device>();
const alertsById = new Map<string, Alert>();
/** Grows with each change of the maps, so that thousands of devices need not be copied four times a second. */
const devicesVersion = signal(0);
const alertsVersion = signal(0);

/** What the gateway said last about itself. */
export const status = signal<Status | null>(null);
/** Whether the first snapshot has come. */
export const loaded = signal(false);
/** Milliseconds that the gateway's clock is ahead of this one. */
export const skew = signal(0);
/** The gateway's time, moved on every second. */
export const now = signal(Date.now());

/** Names in their order; sorted again only when there are others, not with each of thousands of updates. */
let names: string[] = [];

/** All devices in the order of their names. */
export const devices = computed(() => {
  devicesVersion.value;
  if (names.length !== devicesById.size) names = inOrder(devicesById.keys());
  return names.flatMap((name) => devicesById.get(name) ?? []);
});
export const classes = computed(() => byClass(devices.value, now.value));
export const alerts = computed(() => {
  alertsVersion.value;
  return sortAlerts(alertsById.values());
});
export const waiting = computed(() => alerts.value.filter(waits));
export const alarmed = computed(() => new Set(waiting.value.map((alert) => alert.device)));

export function device(id: string): Device | undefined {
  devicesVersion.value;
  return devicesById.get(id);
}

export function alertById(id: string): Alert | undefined {
  alertsVersion.value;
  return alertsById.get(id);
}

export function takeDevices(incoming: Device[]): void {
  if (mergeDevices(devicesById, incoming) > 0) devicesVersion.value += 1;
}

export function takeAlerts(incoming: Alert[]): void {
  if (mergeAlerts(alertsById, incoming) > 0) {
    trimAlerts(alertsById, MOST_ALERTS);
    alertsVersion.value += 1;
  }
}

/** A whole snapshot: what is not in it is gone. */
export function replaceAll(devices: Device[], alerts: Alert[]): void {
  const there = new Set(devices.map((one) => one.id));
  for (const id of devicesById.keys()) if (!there.has(id)) devicesById.delete(id);
  mergeDevices(devicesById, devices);
  mergeAlerts(alertsById, alerts);
  trimAlerts(alertsById, MOST_ALERTS);
  names = [];
  devicesVersion.value += 1;
  alertsVersion.value += 1;
  loaded.value = true;
}

export function takeStatus(incoming: Status): void {
  status.value = incoming;
  skew.value = Date.parse(incoming.now) - Date.now();
  now.value = Date.now() + skew.value;
}
