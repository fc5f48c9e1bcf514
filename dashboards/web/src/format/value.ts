import type { Latest, Value } from "../api/types";
import { locale, name } from "../i18n";

/** How UCUM codes are written for people. */
const UNITS: Record<string, string> = {
  "mm[Hg]": "mmHg",
  Cel: "°C",
  "[pH]": "pH",
  "10*9/L": "×10⁹/L",
  "1": "",
  "{count}": "",
};

export function unit(code: string): string {
  const shown = UNITS[code] ?? code;
  return shown === "" ? "" : shown === code ? name("unit", code) : shown;
}

/** A number as it is read: at most three decimals, no trailing zeros, thousands grouped from 10,000. */
export function number(value: number, digits = 3): string {
  const grouping = Math.abs(value) >= 10_000;
  return new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits, useGrouping: grouping }).format(value);
}

/** A count with its thousands grouped. */
export function count(value: number): string {
  return new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }).format(value);
}

/** The value without its unit: 152, 占用, HI (高于量程). */
export function plain(value: Value): string {
  if (value.missing) return name("missing", value.missing);
  if (value.value === null) return "—";
  return typeof value.value === "number" ? number(value.value) : name("token", value.value);
}

export interface Shown {
  metric: string;
  label: string;
  text: string;
  unit: string;
  quality: Value["quality"];
  why: string;
}

/** The order in which metrics are read out; all others follow by name. */
const FIRST = ["sys", "dia", "pulse", "glucose", "hr", "spo2", "rr", "temp", "occupied", "state", "status", "zone", "lock"];
/** Metrics about the device rather than about what it measures come last. */
const LAST = ["rssi", "battery"];

function rank(metric: string): number {
  const first = FIRST.indexOf(metric);
  if (first >= 0) return first;
  const last = LAST.indexOf(metric);
  return last >= 0 ? 1000 + last : 100;
}

/** The values of a reading as they are shown; systolic and diastolic become one as people say it. */
export function values(latest: Latest): Shown[] {
  const entries = Object.entries(latest.values).sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
  const shown = entries.map(([metric, value]) => one(metric, value));
  const sys = shown.find((s) => s.metric === "sys");
  const dia = shown.find((s) => s.metric === "dia");
  if (!sys || !dia || sys.unit !== dia.unit || sys.quality !== dia.quality) return shown;
  const pair = { ...sys, metric: "sys/dia", text: `${sys.text}/${dia.text}` };
  pair.label = `${sys.label}/${dia.label}`;
  return [pair, ...shown.filter((s) => s !== sys && s !== dia)];
}

function one(metric: string, value: Value): Shown {
  return {
    metric,
    label: name("metric", metric),
    text: plain(value),
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
