import { expect, test } from "vitest";
import type { Alert, Device } from "../src/api/types";
import { byClass, filterDevices, inOrder, mergeAlerts, mergeDevices, sortAlerts, trimAlerts, waits } from "../src/state/merge";
import { alert, device } from "./make";

const NOW = Date.parse("2026-11-21T00:00:30.000Z");

test("an older device does not overwrite a newer one", () => {
  const known = new Map<string, Device>();
  const newer = device("a", { last_seen: "2026-11-21T00:00:05.000Z" });
  expect(mergeDevices(known, [newer])).toBe(1);
  expect(mergeDevices(known, [device("a", { last_seen: "2026-11-21T00:00:04.000Z" })])).toBe(0);
  expect(known.get("a")).toBe(newer);
  const gone = device("a", { last_seen: newer.last_seen, online: false });
  expect(mergeDevices(known, [gone])).toBe(1);
  expect(known.get("a")).toBe(gone);
});

test("an alert moves on by its steps only", () => {
  const known = new Map<string, Alert>();
  mergeAlerts(known, [alert("a", { transition: 3, handling: "acknowledged" })]);
  mergeAlerts(known, [alert("a", { transition: 2 })]);
  expect(known.get("a")?.handling).toBe("acknowledged");
  mergeAlerts(known, [alert("a", { transition: 4, handling: "closed" })]);
  expect(known.get("a")?.handling).toBe("closed");
});

test("devices are counted by class; one that promised nothing is not silent", () => {
  const counts = byClass([
    device("a"),
    device("b", { online: false }),
    device("c", { class: "aed", online: null, last_seen: null }),
    device("d", { revoked: true }),
  ], NOW);
  expect(counts.map((c) => [c.class, c.devices, c.online, c.silent])).toEqual([
    ["aed", 1, 1, 0],
    ["bp_meter", 2, 1, 1],
  ]);
});

test("what waits comes first, the most urgent before all", () => {
  const list = [
    alert("over", { condition: "cleared", handling: "closed", severity: "P1" }),
    alert("p3"),
    alert("p1", { severity: "P1" }),
    alert("seen", { severity: "P1", handling: "acknowledged" }),
    alert("cleared-p2", { severity: "P2", condition: "cleared" }),
    alert("cleared-p4", { severity: "P4", condition: "cleared" }),
  ];
  expect(sortAlerts(list).map((a) => a.id)).toEqual(["p1", "seen", "p3", "cleared-p2", "over", "cleared-p4"]);
});

test("a cleared P1 or P2 waits for its outcome, a pending one waits for nobody", () => {
  expect(waits(alert("a", { condition: "cleared", severity: "P2" }))).toBe(true);
  expect(waits(alert("a", { condition: "cleared", severity: "P3" }))).toBe(false);
  expect(waits(alert("a", { condition: "cleared", severity: "P2", handling: "closed" }))).toBe(false);
  expect(waits(alert("a", { condition: "pending" }))).toBe(false);
  expect(waits(alert("a", { condition: "firing", handling: "closed" }))).toBe(false);
});

test("only what is over is forgotten", () => {
  const known = new Map<string, Alert>();
  const over = (n: number) => alert(`o${n}`, { condition: "cleared", handling: "closed", began_at: `2026-11-21T00:00:0${n}.000Z` });
  mergeAlerts(known, [over(1), over(2), over(3), alert("w1"), alert("w2")]);
  trimAlerts(known, 3);
  expect([...known.keys()]).toEqual(["o3", "w1", "w2"]);
  trimAlerts(known, 1);
  expect([...known.keys()]).toEqual(["w1", "w2"]);
});

test("devices are found by words, class and state", () => {
  const list = [device("bp-10", { zone: "ward-3" }), device("bp-9", { online: false }), device("aed-1", { class: "aed" })];
  const ids = (filter: Parameters<typeof filterDevices>[1]) => filterDevices(list, filter, new Set(["aed-1"]), NOW).map((d) => d.id);
  expect(ids({ class: "", text: "", state: "all" })).toEqual(["bp-10", "bp-9", "aed-1"]);
  expect(ids({ class: "", text: "BP ward-3", state: "all" })).toEqual(["bp-10"]);
  expect(ids({ class: "bp_meter", text: "", state: "silent" })).toEqual(["bp-9"]);
  expect(ids({ class: "", text: "", state: "alert" })).toEqual(["aed-1"]);
});

test("names are in the order in which people count", () => {
  expect(inOrder(["bp-10", "aed-1", "bp-9"])).toEqual(["aed-1", "bp-9", "bp-10"]);
});
