import { computed, signal } from "@preact/signals";
import type { Task } from "../api/types";
import { now } from "./store";

const KEPT_AS = "orderly.who";
const MOST_DONE = 1000;

const byId = new Map<string, Task>();
const version = signal(0);

/** Who works on this screen: a staff number that was typed here, until people sign in. */
export const who = signal(typeof localStorage === "undefined" ? "" : (localStorage.getItem(KEPT_AS) ?? ""));

export function setWho(number: string): void {
  who.value = number.trim();
  localStorage.setItem(KEPT_AS, who.value);
}

/** Whether a text can be a staff number: what the gateway takes for a name. */
export function isNumber(text: string): boolean {
  return /^[A-Za-z0-9][\w.:-]{0,63}$/.test(text);
}

const LEVELS = ["P1", "P2", "P3", "P4"];

/** By how much the worst of what is left is beyond what is allowed. */
function excess(task: Task): number {
  return Math.max(0, ...task.reasons.filter((reason) => !reason.settled).map((reason) => reason.excess));
}

export function isOverdue(task: Task, nowMs: number): boolean {
  return task.state !== "done" && Date.parse(task.due_at) < nowMs;
}

/** What was put off comes last until its time has come. */
export function isWaiting(task: Task, nowMs: number): boolean {
  return task.waits_until !== null && nowMs < Date.parse(task.waits_until);
}

/** The order in which tasks are done: level, then the longest overdue, then the furthest beyond. */
export function inTurn(tasks: Iterable<Task>, nowMs: number): Task[] {
  const overdue = (task: Task) => (isOverdue(task, nowMs) ? Date.parse(task.due_at) : Number.MAX_SAFE_INTEGER);
  return [...tasks].sort(
    (a, b) =>
      Number(isWaiting(a, nowMs)) - Number(isWaiting(b, nowMs)) ||
      LEVELS.indexOf(a.severity) - LEVELS.indexOf(b.severity) ||
      overdue(a) - overdue(b) ||
      excess(b) - excess(a) ||
      Date.parse(a.due_at) - Date.parse(b.due_at) ||
      (a.id < b.id ? -1 : 1),
  );
}

/** Takes tasks in. A snapshot and live updates may cross on the way: the one with more steps is the newer. */
export function mergeTasks(known: Map<string, Task>, incoming: Task[]): number {
  let changed = 0;
  for (const task of incoming) {
    const old = known.get(task.id);
    if (old && old.steps > task.steps) continue;
    known.set(task.id, task);
    changed += 1;
  }
  return changed;
}

export function takeTasks(incoming: Task[]): void {
  if (mergeTasks(byId, incoming) === 0) return;
  const done = [...byId.values()].filter((task) => task.state === "done").sort((a, b) => ((a.ended_at ?? "") < (b.ended_at ?? "") ? -1 : 1));
  for (const task of done.slice(0, Math.max(0, done.length - MOST_DONE))) byId.delete(task.id);
  version.value += 1;
}

/** A whole snapshot: what is not in it is gone. */
export function replaceTasks(tasks: Task[]): void {
  const there = new Set(tasks.map((task) => task.id));
  for (const id of byId.keys()) if (!there.has(id)) byId.delete(id);
  mergeTasks(byId, tasks);
  version.value += 1;
}

const all = computed(() => {
  version.value;
  return [...byId.values()];
});

/** Changes with every task that does. */
export const tasksChanged = computed(() => version.value);
export const openTasks = computed(() => inTurn(all.value.filter((task) => task.state !== "done"), now.value));
/** The last one that ended first. */
export const doneTasks = computed(() =>
  all.value.filter((task) => task.state === "done").sort((a, b) => ((a.ended_at ?? "") < (b.ended_at ?? "") ? 1 : -1)),
);

/** The open task that an alert belongs to. */
export function taskOf(alert: string): Task | undefined {
  return openTasks.value.find((task) => task.reasons.some((reason) => reason.alert === alert && !reason.settled));
}
