import { language, locale, t } from "../i18n";

/** The hospital's zone; never the zone of the machine that shows the board. */
const ZONE = "Asia/Shanghai";

function parts(iso: string, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale.value, { timeZone: ZONE, hourCycle: "h23", ...options }).format(new Date(iso));
}

/** 08:52 */
export function hourMinute(iso: string): string {
  return parts(iso, { hour: "2-digit", minute: "2-digit" });
}

/** 08:52:07 */
export function clock(iso: string): string {
  return parts(iso, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** 3月17日 周二 / Tue 17 Mar */
export function day(iso: string): string {
  if (language.value === "zh") {
    return `${parts(iso, { month: "long", day: "numeric" })} ${parts(iso, { weekday: "short" })}`;
  }
  return parts(iso, { weekday: "short", day: "numeric", month: "short" }).replace(",", "");
}

/** 08:52:07 today, else with its date. */
export function moment(iso: string, nowMs: number): string {
  const date = (value: string) => parts(value, { year: "numeric", month: "2-digit", day: "2-digit" });
  if (date(iso) === date(new Date(nowMs).toISOString())) return clock(iso);
  return `${parts(iso, { month: "2-digit", day: "2-digit" })} ${hourMinute(iso)}`;
}

/** 8 秒, 5 分钟, 3 小时, 2 天; the largest unit that fits. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return t("age.s", { n: seconds });
  if (seconds < 3600) return t("age.m", { n: Math.floor(seconds / 60) });
  if (seconds < 2 * 86_400) return t("age.h", { n: Math.floor(seconds / 3600) });
  return t("age.d", { n: Math.floor(seconds / 86_400) });
}

/** 5 分钟前 */
export function ago(iso: string | null, nowMs: number): string {
  return iso === null ? t("age.never") : t("age.ago", { age: span(nowMs - Date.parse(iso)) });
}
