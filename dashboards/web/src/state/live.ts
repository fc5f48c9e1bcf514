import { signal } from "@preact/signals";
import * as api from "../api/client";
import type { Alert, Device, Status, Task } from "../api/types";
import { takeZones } from "./places";
import { takeProfiles } from "./profiles";
import { replaceTasks, takeTasks } from "./tasks";
import { now, replaceAll, skew, takeAlerts, takeDevices, takeStatus } from "./store";

/** How things stand with the gateway. */
export interface Link {
  state: "connecting" | "live" | "lost";
  /** When the last event came, by this machine's clock. */
  heardAt: number;
  /** When the connection was lost. */
  lostAt: number;
  /** How often it was tried again since. */
  tries: number;
}

export const link = signal<Link>({ state: "connecting", heardAt: 0, lostAt: 0, tries: 0 });

/** The status comes every second; silence longer than this is a lost connection, whatever the socket says. */
const SILENCE_MS = 6_000;
const RETRY_MS = 3_000;

let events: EventSource | null = null;
let lastId = "";
let snapshotAt = 0;
let loading = false;
let again = false;

/** Follows the gateway for as long as the page is open. */
export function follow(): void {
  link.value = { ...link.value, heardAt: Date.now() };
  open();
  setInterval(() => {
    now.value = Date.now() + skew.value;
    if (Date.now() - link.value.heardAt > SILENCE_MS && events?.readyState !== EventSource.CONNECTING) reopen();
  }, 1_000);
}

function open(): void {
  const place = lastId ? `?last_event_id=${encodeURIComponent(lastId)}` : "";
  const source = new EventSource(`/api/v1/events${place}`);
  events = source;
  source.onopen = () => {
    heard();
    // Joined first, read then: what changes in between comes as an event as well.
    if (snapshotAt === 0) void snapshot();
  };
  source.onerror = () => {
    lost();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => events === source && reopen(), RETRY_MS);
  };
  on<{ devices: Device[] }>(source, "devices", (data) => takeDevices(data.devices));
  on<{ alerts: Alert[] }>(source, "alerts", (data) => takeAlerts(data.alerts));
  on<{ tasks: Task[] }>(source, "tasks", (data) => takeTasks(data.tasks));
  on<Status>(source, "status", takeStatus);
  on<unknown>(source, "resync", () => void snapshot());
}

function reopen(): void {
  lost();
  events?.close();
  link.value = { ...link.value, heardAt: Date.now(), tries: link.value.tries + 1 };
  open();
}

function on<T>(source: EventSource, name: string, take: (data: T) => void): void {
  source.addEventListener(name, (event) => {
    if (event.lastEventId) lastId = event.lastEventId;
    heard();
    take(JSON.parse(event.data as string) as T);
  });
}

function heard(): void {
  link.value = { state: "live", heardAt: Date.now(), lostAt: 0, tries: 0 };
}

function lost(): void {
  const old = link.value;
  if (old.state !== "lost") link.value = { ...old, state: "lost", lostAt: Date.now(), tries: 1 };
}

/** Reads everything. What comes in live meanwhile is newer and wins, see `mergeDevices`. */
async function snapshot(): Promise<void> {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  try {
    const [profiles, zones, devices, alerts, tasks] = await Promise.all([
      api.profiles(),
      api.zones(),
      api.devices(),
      api.alerts(),
      api.tasks(),
    ]);
    takeProfiles(profiles);
    takeZones(zones);
    replaceAll(devices, alerts);
    replaceTasks(tasks);
    snapshotAt = Date.now();
  } catch {
    setTimeout(() => void snapshot(), RETRY_MS);
  } finally {
    loading = false;
    if (again) {
      again = false;
      void snapshot();
    }
  }
}
