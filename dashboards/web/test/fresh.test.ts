import { expect, test } from "vitest";
import { freshness, newest, silent } from "../src/state/fresh";
import { device, latest, value } from "./make";

const AT = Date.parse("2026-11-21T00:00:00.000Z");
const one = latest({ temp: value(4, "Cel") });

test("past its expected interval a value is old, and a silent device has none", () => {
  expect(freshness(device("a"), one, AT + 60_000)).toBe("fresh");
  expect(freshness(device("a"), one, AT + 120_000)).toBe("fresh");
  expect(freshness(device("a"), one, AT + 120_001)).toBe("stale");
  expect(freshness(device("a", { online: false }), one, AT)).toBe("silent");
});

test("a device falls silent by the clock, also when the gateway has not said so yet", () => {
  expect(silent(device("a"), AT + 180_000)).toBe(false);
  expect(silent(device("a"), AT + 180_001)).toBe(true);
  expect(silent(device("a", { expect_every_s: null }), AT + 86_400_000)).toBe(false);
});

test("a device that promised nothing only ages", () => {
  expect(freshness(device("a", { expect_every_s: null, online: null }), one, AT + 86_400_000 * 30)).toBe("fresh");
});

test("the newest reading is chosen over all streams", () => {
  const older = latest({}, "2026-11-20T00:00:00.000Z");
  expect(newest(device("a", { latest: [older, one] }))).toBe(one);
  expect(newest(device("a"))).toBeUndefined();
});
