import type { Latest, Value } from "../api/types";
import { known, locale, name, pick } from "../i18n";
import { metricOf } from "../state/profiles";

/** How UCUM codes are written for people. */
const UNITS: Record<string, string> = {
  "mm[Hg]": "mmHg",
  Cel: "°C",
  "dB{mW}": "dBm",
  "1": "",
  "{count}": "",
};

export function unit(code: string): string {
  const shown = UNITS[code] ?? code;
  return shown === "" ? "" : shown === code ? name("unit", code) : shown;
}

/** A number as it is read: at most so many decimals, at least those that its device sends, grouped from 10,000. */
export function number(value: number, digits = 3, least = 0): string {
  const useGrouping = Math.abs(value) >= 10_000;
  const fraction = { minimumFractionDigits: Math.min(least, digits), maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale.value, { ...fraction, useGrouping }).format(value);
}

/** A count with its thousands grouped. */
export function count(value: number): string {
  return new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }).format(value);
}

/** The value without its unit: 152, 占用, 高于量程. A token may mean another thing for another metric or class. */
export function plain(value: Value, deviceClass = "", metric = "", decimals = 0): string {
  if (value.missing) return name("missing", value.missing);
  if (value.value === null) return "—";
  return typeof value.value === "number" ? number(value.value, 3, decimals) : token(deviceClass, metric, value.value);
}

/** What a metric is called: as its profile says, else by its bare name. */
export function metricName(deviceClass: string, metric: string): string {
  const label = metricOf(deviceClass, metric)?.label;
  return label ? pick(label) : metric.replaceAll("_", " ");
}

/** The word of a state: of the metric of this class, else of the metric, else of the state alone. */
function token(deviceClass: string, metric: string, bare: string): string {
  const places = [`token.${deviceClass}.${metric}`, `token.${metric}`];
  return name(places.find((place) => known(`${place}.${bare}`)) ?? "token", bare);
}

export interface Shown {
  metric: string;
  label: string;
  text: string;
  unit: string;
  quality: Value["quality"];
  why: string;
}

/** Metrics about the device rather than about what it measures come last. */
const LAST = ["kind", "field", "rssi", "battery"];
/** Two that people say as one: 152/96. */
const PAIRS = [
  ["sys", "dia"],
  ["nibp_sys", "nibp_dia"],
] as const;

/** Where a metric stands when a reading is read out: in the order of its profile, then by name. */
export function inReadingOrder(deviceClass: string): (a: string, b: string) => number {
  const rank = (metric: string) => {
    const last = LAST.indexOf(metric);
    return last >= 0 ? 2_000 + last : (metricOf(deviceClass, metric)?.place ?? 1_000);
  };
  return (a, b) => rank(a) - rank(b) || a.localeCompare(b);
}

/** The values of a reading as they are shown. */
export function values(latest: Latest, deviceClass: string): Shown[] {
  const order = inReadingOrder(deviceClass);
  const entries = Object.entries(latest.values).sort(([a], [b]) => order(a, b));
  let shown = entries.map(([metric, value]) => one(metric, value, deviceClass));
  for (const [upper, lower] of PAIRS) shown = paired(shown, upper, lower);
  return shown;
}

/** Joins two values if both are trusted alike. */
function paired(shown: Shown[], upper: string, lower: string): Shown[] {
  const [a, b] = [upper, lower].map((metric) => shown.find((one) => one.metric === metric));
  if (!a || !b || a.unit === "" || a.unit !== b.unit || a.quality !== b.quality) return shown;
  const pair = { ...a, metric: `${upper}/${lower}`, label: `${a.label}/${b.label}`, text: `${a.text}/${b.text}` };
  return shown.filter((one) => one !== b).map((one) => (one === a ? pair : one));
}

function one(metric: string, value: Value, deviceClass: string): Shown {
  return {
    metric,
    label: metricName(deviceClass, metric),
    text: plain(value, deviceClass, metric, metricOf(deviceClass, metric)?.decimals ?? 0),
    unit: typeof value.value === "number" ? unit(value.unit) : "",
    quality: value.quality,
    why: value.reason && !value.missing ? name("reason", value.reason) : "",
  };
}

/** The poorest quality among the values of a reading. */
export function poorest(latest: Latest): Value["quality"] {
  const all = Object.values(latest.values).map((value) => value.quality);
  return all.includes("bad") ? "bad" : all.includes("uncertain") ? "uncertain" : "good";
}

/** 1.2 MB */
export function bytes(size: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let left = size;
  let step = 0;
  while (left >= 1000 && step < units.length - 1) {
    left /= 1000;
    step += 1;
  }
  return `${number(left, left < 10 && step > 0 ? 1 : 0)} ${units[step]}`;
}
