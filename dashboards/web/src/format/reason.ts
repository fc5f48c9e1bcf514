import { Refused } from "../api/client";
import type { QuarantineItem, Why } from "../api/types";
import { known, language, name, render, t } from "../i18n";
import { why as texts } from "../i18n/why";

/** Why an input could not be used, in the chosen language; the gateway's own words where there are no others. */
export function reason(item: Pick<QuarantineItem, "reason" | "why">): string {
  return language.value === "zh" && item.why ? told(item.why, item.reason) : item.reason;
}

/** Why the gateway refused what was asked for, in the chosen language; without its answer, `otherwise`. */
export function refused(error: unknown, otherwise: string): string {
  if (!(error instanceof Refused) || error.message === "") return otherwise;
  return reason({ reason: error.message, why: error.why });
}

function told(said: Why, otherwise: string): string {
  const text = texts[said.code];
  if (text === undefined) return otherwise;
  const parts = Object.entries(said.params).map(([place, part]) => [place, typeof part === "string" ? part : told(part, "…")]);
  return render(text, Object.fromEntries(parts) as Record<string, string>);
}

/** Where an input came from: a topic or address as it is, a place of the journal in words. */
export function origin(item: Pick<QuarantineItem, "source" | "address">): string {
  const place = item.source === "journal" ? /^segment (\d+), bytes (\d+) to (\d+)$/.exec(item.address) : null;
  const [, segment = "", from = "", to = ""] = place ?? [];
  return place ? t("quarantine.segment", { segment, from, to }) : item.address;
}

/** Who took an input in: `listener 127.0.0.1:1883` and `modbus:ward-3` in words. */
export function sourceName(source: string): string {
  const [kind = "", ...rest] = source.split(/[ :]/);
  if (!known(`source.${kind}`)) return source;
  return [name("source", kind), source.slice(kind.length + 1)].filter(Boolean).join(rest.length > 0 ? " " : "");
}
