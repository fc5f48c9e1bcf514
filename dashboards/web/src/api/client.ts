import type {
  Alert,
  Command,
  Commands,
  Device,
  ListFigures,
  Profile,
  QuarantineItem,
  Reading,
  Stranger,
  Task,
  Transition,
  Why,
  Zone,
} from "./types";

/** An answer that was not what was asked for, with the gateway's own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
    /** The message as a sentence that can be said in any language, where it is one. */
    readonly why: Why | null = null,
  ) {
    super(message);
  }
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(path, { ...init, headers: { accept: "application/json", ...init?.headers } });
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) {
    const error = (body as { error?: { code: string; message: string; hint: string; why?: Why } } | null)?.error;
    const { code = "unreachable", message = "", hint = "", why = null } = error ?? {};
    throw new Refused(answer.status, code, message, hint, why);
  }
  return body as T;
}

/** All devices, page by page. */
export async function devices(): Promise<Device[]> {
  const all: Device[] = [];
  let after = "";
  for (;;) {
    const page = await ask<{ devices: Device[]; next: string | null }>(`/api/v1/devices?limit=2000${after}`);
    all.push(...page.devices);
    if (page.next === null) return all;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

/** What each model measures, and what it is called. */
export async function profiles(): Promise<Profile[]> {
  return (await ask<{ profiles: Profile[] }>("/api/v1/profiles")).profiles;
}

/** The places of the hospital. */
export async function zones(): Promise<Zone[]> {
  return (await ask<{ zones: Zone[] }>("/api/v1/zones")).zones;
}

/** Alerts that are not over, and the latest ones that are. */
export async function alerts(): Promise<Alert[]> {
  const [open, recent] = await Promise.all(
    ["live=true&limit=5000", "limit=500"].map((query) => ask<{ alerts: Alert[] }>(`/api/v1/alerts?${query}`)),
  );
  return [...(open?.alerts ?? []), ...(recent?.alerts ?? [])];
}

export function alert(id: string): Promise<{ alert: Alert; transitions: Transition[] }> {
  return ask(`/api/v1/alerts/${encodeURIComponent(id)}`);
}

export function readings(device: string, query: string): Promise<{ readings: Reading[]; next: string | null }> {
  return ask(`/api/v1/devices/${encodeURIComponent(device)}/readings?${query}`);
}

export function quarantine(after: string): Promise<{ items: QuarantineItem[]; total: number; next: string | null }> {
  return ask(`/api/v1/quarantine?limit=50${after}`);
}

/** Devices that speak and are on no register. */
export async function strangers(): Promise<Stranger[]> {
  return (await ask<{ devices: Stranger[] }>("/api/v1/unknown")).devices;
}

/** Takes such a device on; the same key twice is one order. */
export function adopt(id: string, profile: string, key: string): Promise<{ read: number; left: number }> {
  return ask(`/api/v1/unknown/${encodeURIComponent(id)}/adopt`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ profile }),
  });
}

/** Takes on the unknown device with the code on its label. */
export function claim(code: string, key: string): Promise<{ device: string; read: number; left: number }> {
  return ask("/api/v1/unknown/claim", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ code }),
  });
}

/** Orders something about an alert; the same key twice is one order. */
export async function handle(id: string, verb: "acknowledge" | "close", key: string, body: object): Promise<Alert> {
  const answer = await ask<{ alert: Alert }>(`/api/v1/alerts/${encodeURIComponent(id)}/${verb}`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
  });
  return answer.alert;
}

export function commands(device: string): Promise<Commands> {
  return ask(`/api/v1/devices/${encodeURIComponent(device)}/commands?limit=8`);
}

/** Tells a device to do something; the same key twice is one order. */
export function command(device: string, key: string, body: object): Promise<Command> {
  return ask(`/api/v1/devices/${encodeURIComponent(device)}/commands`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
  });
}

/** Open tasks, and those that ended since midnight. */
export async function tasks(): Promise<Task[]> {
  const [open, done] = await Promise.all(
    ["limit=5000", "state=done&limit=1000"].map((query) => ask<{ tasks: Task[] }>(`/api/v1/worklist?${query}`)),
  );
  return [...(open?.tasks ?? []), ...(done?.tasks ?? [])];
}

export async function figures(): Promise<ListFigures[]> {
  return (await ask<{ lists: ListFigures[] }>("/api/v1/worklist/figures")).lists;
}

export type Step = "claim" | "release" | "hand_over" | "attempt" | "finish" | "reopen";

/** Does something about a task; the same key twice is one order. */
export async function work(id: string, step: Step, key: string, body: object): Promise<Task> {
  const answer = await ask<{ task: Task }>(`/api/v1/worklist/${encodeURIComponent(id)}/${step}`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
  });
  return answer.task;
}

/** Gives all tasks that somebody has to the next one. */
export async function handOver(key: string, body: object): Promise<number> {
  const answer = await ask<{ tasks: number }>("/api/v1/worklist/hand_over", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
  });
  return answer.tasks;
}
