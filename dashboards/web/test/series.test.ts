import { expect, test } from "vitest";
import type { Reading, Value } from "../src/api/types";
import { seriesOf } from "../src/parts/series";
import { latest, value } from "./make";

function reading(minute: number, values: Record<string, Value>): Reading {
  const at = new Date(Date.UTC(2026, 10, 21, 0, minute)).toISOString();
  return { ...latest(values, at), origin: `${minute}.0`, device_time: null, sequence: null };
}

test("metrics of one unit share a chart, oldest first, and what does not count stands apart", () => {
  const bad = { quality: "bad" as const };
  const [pressure, pulse, ...rest] = seriesOf([
    reading(2, { sys: value(150, "mm[Hg]"), dia: value(90, "mm[Hg]"), pulse: value(70, "/min") }),
    reading(1, { sys: value(300, "mm[Hg]", bad), dia: value(95, "mm[Hg]"), pulse: value(71, "/min") }),
  ]);
  expect(pressure?.metrics).toEqual(["sys", "dia"]);
  expect(pressure?.times).toEqual([1, 2].map((m) => Date.UTC(2026, 10, 21, 0, m) / 1000));
  expect(pressure?.good).toEqual([[null, 150], [95, 90]]);
  expect(pressure?.excluded).toEqual([[300, null], [null, null]]);
  expect(pulse?.unit).toBe("/min");
  expect(rest).toEqual([]);
});

test("states and missing values are not drawn, and a battery does not join a share of the same unit", () => {
  const all = seriesOf([reading(1, { door: value("open"), glucose: value(null, "mmol/L"), spo2: value(97, "%"), battery: value(80, "%") })]);
  expect(all.map((series) => [series.unit, series.metrics])).toEqual([["%", ["spo2"]], ["%", ["battery"]]]);
  expect(seriesOf([])).toEqual([]);
});
