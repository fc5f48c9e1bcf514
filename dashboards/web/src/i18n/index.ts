import { computed, effect, signal } from "@preact/signals";
import { en } from "./en";
import { type Key, zh } from "./zh";

export type Language = "zh" | "en";
export type { Key };

const TEXTS: Record<Language, Record<Key, string>> = { zh, en };
const KEPT_AS = "orderly.language";

export const language = signal<Language>("zh");

/** BCP 47 tag of the language, for `lang` and for `Intl`. */
export const locale = computed(() => (language.value === "zh" ? "zh-CN" : "en-GB"));

/** The text of a key in the chosen language, with its places filled in. */
export function t(key: Key, fill?: Record<string, string | number>): string {
  return render(TEXTS[language.value][key], fill);
}

/** The text of a key that is put together at run time (`class.` + class); the bare name when there is none. */
export function name(prefix: string, bare: string): string {
  const texts: Partial<Record<string, string>> = TEXTS[language.value];
  return texts[`${prefix}.${bare}`] ?? bare.replaceAll("_", " ");
}

/** Whether there is a text with this key. */
export function known(key: string): key is Key {
  return key in zh;
}

/** The chosen one of two texts that the gateway sent. A number stays on one line with its unit. */
export function pick(text: { zh: string; en: string }): string {
  return (text[language.value] || text.zh || text.en).replace(/(^|[\s（(])([\d./]+) /g, "$1$2\u00a0");
}

export function render(text: string, fill?: Record<string, string | number>): string {
  return fill ? text.replace(/\{(\w+)\}/g, (place, key: string) => String(fill[key] ?? place)) : text;
}

/** Chinese first; English if that was chosen here before, or is asked for in the address. */
export function chooseAtStart(search: string, kept: string | null): Language {
  const asked = new URLSearchParams(search).get("lang") ?? kept;
  return asked === "en" ? "en" : "zh";
}

export function startLanguage(): void {
  language.value = chooseAtStart(location.search, localStorage.getItem(KEPT_AS));
  effect(() => {
    document.documentElement.lang = locale.value;
    localStorage.setItem(KEPT_AS, language.value);
  });
}
