import type { Reading } from "../api/types";

/** What a chart draws: numbers of one unit over time, and those that do not count apart. */
export interface Series {
  unit: string;
  metrics: string[];
  /** Seconds since 1970, ascending. */
  times: number[];
  /** For each metric the counting numbers; null leaves a gap. */
  good: (number | null)[][];
  /** For each metric the numbers that are kept and not counted. */
  excluded: (number | null)[][];
}

const MOST_METRICS = 4;
/** What tells about the device rather than about what it measures is not drawn beside it. */
const ABOUT_DEVICE = new Set(["battery", "rssi"]);

/** The numbers of readings by unit, the unit with the most numbers first. */
export function seriesOf(readings: Reading[], order: (a: string, b: string) => number = () => 0): Series[] {
  const byUnit = new Map<string, Map<string, number>>();
  for (const reading of readings) {
    for (const [metric, value] of Object.entries(reading.values)) {
      if (typeof value.value !== "number") continue;
      const unit = ABOUT_DEVICE.has(metric) ? `${value.unit} ` : value.unit;
      const metrics = byUnit.get(unit) ?? new Map<string, number>();
      metrics.set(metric, (metrics.get(metric) ?? 0) + 1);
      byUnit.set(unit, metrics);
    }
  }
  const size = (metrics: Map<string, number>) => [...metrics.values()].reduce((sum, n) => sum + n, 0);
  const main = ([unit]: [string, unknown]) => Number(!unit.endsWith(" "));
  return [...byUnit]
    .sort((a, b) => main(b) - main(a) || size(b[1]) - size(a[1]) || a[0].localeCompare(b[0]))
    .map(([unit, metrics]) => draw(readings, unit.trimEnd(), [...metrics.keys()].sort(order).slice(0, MOST_METRICS)));
}

function draw(readings: Reading[], unit: string, metrics: string[]): Series {
  const rows = readings
    .filter((reading) => metrics.some((metric) => typeof reading.values[metric]?.value === "number"))
    .sort((a, b) => a.taken_at.localeCompare(b.taken_at) || a.origin.localeCompare(b.origin));
  const column = (metric: string, counts: boolean) =>
    rows.map((reading) => {
      const value = reading.values[metric];
      return typeof value?.value === "number" && (value.quality === "good") === counts ? value.value : null;
    });
  return {
    unit,
    metrics,
    times: rows.map((reading) => Date.parse(reading.taken_at) / 1000),
    good: metrics.map((metric) => column(metric, true)),
    excluded: metrics.map((metric) => column(metric, false)),
  };
}
