import { expect, test } from "vitest";
import type { Task } from "../src/api/types";
import { inTurn, isNumber, isOverdue, isWaiting, mergeTasks } from "../src/state/tasks";

const NOW = Date.parse("2026-11-21T08:00:00Z");

function make(id: string, changes: Partial<Task>, excess = 0): Task {
  const reason = { alert: id, rule: "r", severity: "P2" as const, text: { zh: "", en: "" }, at: "", excess, cleared_at: null, settled: false, times: 1 };
  return {
    id, list: "repair", subject: id, device: null, class: null, zone: null, severity: "P2", reasons: [reason], state: "open", owner: null,
    created_at: "", opened_at: "", due_at: "2026-11-21T09:00:00Z", claimed_at: null, waits_until: null, attempts: 0, reopened: 0,
    ended_at: null, outcome: null, note: null, signer: null, outcomes: [], note_for: [], second_for: [], steps: 1, ...changes,
  };
}

test("tasks stand in the order of the gateway: level, overdue, excess, and what was put off last", () => {
  const tasks = [
    make("put-off", { waits_until: "2026-11-21T08:10:00Z" }, 9),
    make("low", { severity: "P3" }, 5),
    make("little", {}, 0.1),
    make("much", {}, 0.8),
    make("late", { due_at: "2026-11-21T07:30:00Z" }),
    make("later", { due_at: "2026-11-21T07:00:00Z" }),
    make("now", { severity: "P1" }),
  ];
  expect(inTurn(tasks, NOW).map((task) => task.id)).toEqual(["now", "later", "late", "much", "little", "low", "put-off"]);
  expect(isOverdue(make("a", { due_at: "2026-11-21T07:00:00Z", state: "done" }), NOW)).toBe(false);
  expect(isWaiting(make("a", { waits_until: "2026-11-21T08:00:00Z" }), NOW)).toBe(false);
});

test("of two states of a task the one with more steps counts", () => {
  const known = new Map([["a", make("a", { steps: 3, owner: "x" })]]);
  expect(mergeTasks(known, [make("a", { steps: 2 })])).toBe(0);
  expect(mergeTasks(known, [make("a", { steps: 4 }), make("b", {})])).toBe(2);
  expect([...known.keys()]).toEqual(["a", "b"]);
});

test("a staff number is a name as the gateway takes it", () => {
  expect(["porter-7", "007", "a.b:c"].every(isNumber)).toBe(true);
  expect(["", "-7", "王芳", "a b"].some(isNumber)).toBe(false);
});
