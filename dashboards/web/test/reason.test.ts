import { beforeEach, expect, test } from "vitest";
import { Refused } from "../src/api/client";
import { origin, reason, refused, sourceName } from "../src/format/reason";
import { known, language } from "../src/i18n";
import { why } from "../src/i18n/why";

const rust = Object.values(import.meta.glob<string>("../../../gateway/core/src/refusal/sentences.rs", { query: "?raw", import: "default", eager: true }))[0] ?? "";
const sentences = [...rust.matchAll(/say\("(\w+)", "((?:[^"\\]|\\.)*)"\)|say\(\s*"(\w+)",\s*"((?:[^"\\]|\\.)*)",?\s*\)/g)].map((found) => ({ code: found[1] ?? found[3] ?? "", english: found[2] ?? found[4] ?? "" }));
const kinds = [...(/KINDS: [^=]*= \[([^\]]*)\]/.exec(rust)?.[1] ?? "").matchAll(/"(\w+)"/g)].map((found) => found[1] ?? "");

beforeEach(() => {
  language.value = "zh";
});

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

test("every sentence of the gateway can be said in Chinese, with the same places", () => {
  expect(sentences.length).toBe((rust.match(/say\(/g)?.length ?? 0) - 1); // all but the function itself
  expect(sentences.length).toBeGreaterThan(100);
  expect(Object.keys(why).sort()).toEqual(sentences.map((one) => one.code).sort());
  for (const { code, english } of sentences) {
    expect(places(why[code] ?? ""), code).toEqual(places(english));
    expect(why[code], code).toMatch(/\p{Script=Han}/u);
    expect(why[code], code).not.toMatch(/\p{Script=Han}[,;!?]/u);
  }
});

test("every kind of reason has words in both languages", () => {
  expect(kinds.length).toBeGreaterThan(10);
  for (const kind of kinds) expect(known(`code.${kind}`), kind).toBe(true);
});

test("sentences within sentences are told in the chosen language", () => {
  const rest = { code: "expected_nothing_there", params: { wanted: { code: "a_number", params: { unit: "%" } } } };
  const item = { reason: "battery at $.battery: nothing is there; expected a number in %", why: { code: "metric", params: { metric: "battery", place: "$.battery", rest } } };
  expect(reason(item)).toBe("指标 battery（$.battery）：没有值；应为以 % 为单位的数");
  expect(reason({ reason: "field type conflict", why: null })).toBe("field type conflict");
  expect(reason({ reason: "new words", why: { code: "not_yet_known", params: {} } })).toBe("new words");
  language.value = "en";
  expect(reason(item)).toBe(item.reason);
});

test("a place of the journal is told in words, a topic stays as it is", () => {
  expect(origin({ source: "journal", address: "segment 3, bytes 64 to 128" })).toBe("第 3 段，第 64 到 128 字节");
  expect(origin({ source: "listener", address: "orderly/v1/main" })).toBe("orderly/v1/main");
});

test("who took an input in is told in words", () => {
  expect(["listener", "listener 127.0.0.1:1883", "modbus:demo", "http", "telex 7"].map(sourceName)).toEqual(["MQTT 监听", "MQTT 监听 127.0.0.1:1883", "Modbus demo", "HTTP", "telex 7"]);
});

test("what was refused is told in the chosen language, and a lost answer as such", () => {
  const why = { code: "asked_no_command", params: { device: "dock-1", command: "unlok" } };
  const error = new Refused(409, "refused", '"dock-1" has no command "unlok"', "", why);
  expect(refused(error, "away")).toBe("设备“dock-1”没有命令“unlok”");
  expect(refused(new Refused(502, "unreachable", "", ""), "away")).toBe("away");
  expect(refused(new TypeError("fetch failed"), "away")).toBe("away");
  language.value = "en";
  expect(refused(error, "away")).toBe(error.message);
});
