import { expect, test } from "vitest";
import { known } from "../src/i18n";
import { zh } from "../src/i18n/zh";

const files = import.meta.glob<string>("../../../device-profiles/*/*.toml", { query: "?raw", import: "default", eager: true });

/** Names and state tokens of a profile; its TOML is plain enough for two patterns. */
function words(text: string): { name: string; label: boolean; tokens: string[] }[] {
  return text
    .split("[[metric]]")
    .slice(1)
    .map((part) => part.split(/^\[/m)[0] ?? "")
    .map((part) => {
      const states = /^states = ([\[{].*[\]}])/m.exec(part)?.[1] ?? "";
      return {
        name: /^name = "(.*)"/m.exec(part)?.[1] ?? "",
        label: /^label = \{ zh = ".*\p{Script=Han}.*", en = "[^\p{Script=Han}"]+" \}$/mu.test(part),
        // In a table what the device says stands before the sign, and the token after it.
        tokens: [...states.matchAll(states.startsWith("{") ? /= "([^"]+)"/g : /"([^"]+)"/g)].map((found) => found[1] ?? ""),
      };
    });
}

test("every team that a shipped rule names has words", () => {
  const teams = new Set(Object.values(files).flatMap((text) => [...text.matchAll(/^team = "(.*)"/gm)].map((found) => found[1])));
  expect(teams.size).toBeGreaterThan(1);
  for (const team of teams) expect(known(`team.${team}`), team).toBe(true);
});

test("every team and every word for one metric is of something that is shipped", () => {
  const teams = new Set(Object.values(files).flatMap((text) => [...text.matchAll(/^team = "(.*)"/gm)].map((found) => found[1])));
  const said = new Set<string>();
  for (const [path, text] of Object.entries(files)) {
    for (const { name, tokens } of words(text)) {
      for (const token of tokens) said.add(`${name}.${token}`).add(`${path.split("/").at(-2)}.${name}.${token}`);
    }
  }
  const dead = Object.keys(zh).filter((key) => {
    const [kind = "", ...rest] = key.split(".");
    if (kind === "team") return !teams.has(rest.join("."));
    return kind === "token" && rest.length > 1 && !said.has(rest.join("."));
  });
  expect(dead).toEqual([]);
});

test("every metric and state of every shipped profile has words in both languages", () => {
  expect(Object.keys(files).length).toBeGreaterThan(8);
  const missing: string[] = [];
  let seen = 0;
  for (const [path, text] of Object.entries(files)) {
    const deviceClass = path.split("/").at(-2) ?? "";
    if (!known(`class.${deviceClass}`)) missing.push(`class.${deviceClass}`);
    for (const { name, label, tokens } of words(text)) {
      seen += 1;
      if (!label) missing.push(`label of ${name} in ${path}`);
      for (const token of tokens) {
        if (!known(`token.${token}`) && !known(`token.${name}.${token}`)) missing.push(`token.${name}.${token}`);
      }
    }
  }
  expect(missing).toEqual([]);
  expect(seen).toBeGreaterThan(60);
});
