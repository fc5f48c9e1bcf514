import { beforeEach, expect, test } from "vitest";
import { ago, clock, day, hourMinute, moment, span } from "../src/format/time";
import { bytes, count, metricName, number, plain, poorest, unit, values } from "../src/format/value";
import { language } from "../src/i18n";
import { takeProfiles } from "../src/state/profiles";
import { latest, metric, value } from "./make";

beforeEach(() => {
  language.value = "zh";
  takeProfiles([
    { id: "bp", class: "bp_meter", metrics: [metric("sys", "收缩压", "Systolic"), metric("dia", "舒张压", "Diastolic"), metric("pulse", "脉搏", "Pulse"), metric("battery", "电量", "Battery")] },
    { id: "ch", class: "charger", metrics: [metric("power", "功率", "Power")] },
    { id: "cs", class: "cold_store", metrics: [metric("temp", "柜温", "Temperature", 1), metric("power", "供电", "Power")] },
  ]);
});

test("times are those of the hospital, wherever the board hangs", () => {
  expect(hourMinute("2026-11-21T00:12:05.000Z")).toBe("08:12");
  expect(clock("2026-11-20T16:00:05.000Z")).toBe("00:00:05");
  expect(day("2026-11-20T16:30:00.000Z")).toBe("11月21日 周六");
  language.value = "en";
  expect(day("2026-11-20T16:30:00.000Z")).toBe("Sat 21 Nov");
});

test("a moment of another day carries its date", () => {
  const now = Date.parse("2026-11-21T02:00:00.000Z");
  expect(moment("2026-11-20T16:00:01.000Z", now)).toBe("00:00:01");
  expect(moment("2026-11-20T15:59:00.000Z", now)).toBe("11/20 23:59");
});

test("ages use the largest unit that fits and are never negative", () => {
  expect([-5, 0, 59_999, 60_000, 3_599_000, 3_600_000, 86_400_000, 172_800_000].map(span)).toEqual([
    "0 秒", "0 秒", "59 秒", "1 分钟", "59 分钟", "1 小时", "24 小时", "2 天",
  ]);
  expect(ago(null, 0)).toBe("从未");
  language.value = "en";
  expect(ago("1970-01-01T00:00:00.000Z", 120_000)).toBe("2 min ago");
});

test("values are shown as people read them", () => {
  expect(plain(value(152, "mm[Hg]"))).toBe("152");
  expect(plain(value(7.25, "mmol/L"))).toBe("7.25");
  expect(plain(value(0.1 + 0.2))).toBe("0.3");
  expect(plain(value("occupied"))).toBe("占用");
  expect(plain(value("gate-3"))).toBe("gate-3");
  expect(plain(value(null, "mmol/L", { missing: "high" }))).toBe("高于量程");
  expect(plain(value(null))).toBe("—");
  expect(plain(value("off"), "bedside_monitor", "lead")).toBe("脱落");
  expect(metricName("charger", "power")).toBe("功率");
  expect(metricName("cold_store", "power")).toBe("供电");
  expect(metricName("cold_store", "smart_seal")).toBe("smart seal");
  language.value = "en";
  expect(metricName("cold_store", "temp")).toBe("Temperature");
  expect(number(12_345.678)).toBe("12,345.678");
  expect(count(4000)).toBe("4,000");
  language.value = "zh";
  expect(["mm[Hg]", "Cel", "/min", "mmol/L", "{count}", ""].map(unit)).toEqual(["mmHg", "°C", "次/分", "mmol/L", "", ""]);
  expect([0, 999, 1500, 61_000_000].map(bytes)).toEqual(["0 B", "999 B", "1.5 KB", "61 MB"]);
});

test("a word may mean another thing for another metric, or for the same metric of another class", () => {
  const shown = (deviceClass: string, metric: string, token: string) => plain(value(token), deviceClass, metric);
  expect(shown("bed_sensor", "occupied", "out")).toBe("离床");
  expect(shown("wheelchair", "dock", "out")).toBe("离桩");
  expect(shown("ambulance", "state", "idle")).toBe("待命");
  expect(shown("nurse_call", "state", "idle")).toBe("无呼叫");
  expect(shown("cart", "state", "idle")).toBe("空闲");
  expect(shown("cart", "occupied", "occupied")).toBe("载客");
  expect(shown("parking_sensor", "occupied", "occupied")).toBe("占用");
  const reading = latest({ state: value("jam") });
  expect(values(reading, "report_printer").map((one) => one.text)).toEqual(["卡纸"]);
  expect(values(reading, "robot_dispenser").map((one) => one.text)).toEqual(["卡药"]);
});

test("systolic and diastolic become one unless only one of them counts", () => {
  const pair = latest({ pulse: value(74, "/min"), dia: value(96, "mm[Hg]"), sys: value(152, "mm[Hg]"), battery: value(3) });
  expect(values(pair, "bp_meter").map((shown) => `${shown.label} ${shown.text}`)).toEqual(["收缩压/舒张压 152/96", "脉搏 74", "电量 3"]);
  const odd = latest({ sys: value(152, "mm[Hg]", { quality: "bad", reason: "out_of_range" }), dia: value(96, "mm[Hg]") });
  expect(values(odd, "bp_meter").map((shown) => [shown.metric, shown.why])).toEqual([["sys", "超出合理范围"], ["dia", ""]]);
  expect(poorest(odd)).toBe("bad");
  expect(poorest(pair)).toBe("good");
});

test("a number has at least the decimals that its device sends", () => {
  const shown = values(latest({ temp: value(5, "Cel"), power: value("mains") }), "cold_store");
  expect(shown.map((one) => `${one.label} ${one.text}`)).toEqual(["柜温 5.0", "供电 市电"]);
});

test("a class that no board has heard of is named by its profile", () => {
  takeProfiles([{ id: "x-1", class: "smart_broom", metrics: [metric("sweeps", "清扫次数", "Sweeps"), metric("dust", "粉尘", "Dust", 2)] }]);
  const reading = latest({ dust: value(0.5, "mg"), sweeps: value(12, "1") });
  expect(values(reading, "smart_broom").map((one) => `${one.label} ${one.text} ${one.unit}`.trim())).toEqual(["清扫次数 12", "粉尘 0.50 mg"]);
});
