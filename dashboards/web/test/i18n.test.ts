import { expect, test } from "vitest";
import { chooseAtStart, language, name, pick, render, t } from "../src/i18n";
import { en } from "../src/i18n/en";
import { type Key, zh } from "../src/i18n/zh";
import { outcomes } from "../src/parts/outcomes";

test("both languages have every key, and the same places to fill", () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
  const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();
  for (const key of Object.keys(zh) as Key[]) {
    expect(places(en[key]), key).toEqual(places(zh[key]));
    if (!key.startsWith("tile.")) expect(en[key], key).not.toBe("");
  }
});

test("Chinese texts use full-width marks between Han characters", () => {
  for (const [key, text] of Object.entries(zh)) expect(text, key).not.toMatch(/\p{Script=Han}[,;!?]/u);
});

test("the language is Chinese unless English was asked for or chosen before", () => {
  expect(chooseAtStart("", null)).toBe("zh");
  expect(chooseAtStart("", "en")).toBe("en");
  expect(chooseAtStart("?lang=zh", "en")).toBe("zh");
  expect(chooseAtStart("?lang=en", null)).toBe("en");
  expect(chooseAtStart("?lang=xx", null)).toBe("zh");
});

test("texts are filled in, and a name without a text shows itself", () => {
  expect(render("{n} of {all}", { n: 1 })).toBe("1 of {all}");
  language.value = "zh";
  expect(name("class", "bp_meter")).toBe("血压计");
  expect(name("class", "smart_broom")).toBe("smart broom");
  expect(pick({ zh: "血压", en: "BP" })).toBe("血压");
  expect(pick({ zh: "fridge-01 超温 12.1 °C", en: "" })).toBe("fridge-01 超温 12.1\u00a0°C");
  language.value = "en";
  expect(t("link.live", { age: "1 s" })).toBe("Live · 1 s ago");
  expect(pick({ zh: "血压", en: "" })).toBe("血压");
});

test("every outcome that can be chosen has words", () => {
  for (const team of ["chronic_care", "ward", "pharmacy", "logistics", "other"]) {
    for (const code of outcomes(team)) expect(Object.keys(zh)).toContain(`outcome.${code}`);
  }
});
