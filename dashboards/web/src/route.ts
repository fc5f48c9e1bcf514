import { computed, signal } from "@preact/signals";

export type Route =
  | { room: "overview" | "devices" | "alerts" | "quarantine" | "system" }
  | { room: "device"; id: string }
  | { room: "alert"; id: string }
  | { room: "worklist"; list: string }
  | { room: "nowhere" };

const ROOMS = ["devices", "alerts", "quarantine", "system"] as const;

/** The view that an address shows. */
export function parse(path: string): Route {
  const [first = "", id = "", ...rest] = path.split("/").slice(1);
  if (first === "" && !id) return { room: "overview" };
  if (rest.length > 0) return { room: "nowhere" };
  if (first === "devices" && id) return { room: "device", id: decode(id) };
  if (first === "alerts" && id) return { room: "alert", id: decode(id) };
  if (first === "worklist") return { room: "worklist", list: decode(id) };
  const room = ROOMS.find((known) => known === first);
  return room && !id ? { room } : { room: "nowhere" };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const address = signal(location.pathname + location.search);
export const route = computed(() => parse(address.value.split("?")[0] ?? "/"));
export const query = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  address.value = to;
}

export function devicePath(id: string): string {
  return `/devices/${encodeURIComponent(id)}`;
}

export function listPath(list: string): string {
  return list === "" ? "/worklist" : `/worklist/${encodeURIComponent(list)}`;
}

export function alertPath(id: string): string {
  return `/alerts/${encodeURIComponent(id)}`;
}

/** Follows the browser's back and forward, and clicks on our own links. */
export function startRouting(): void {
  addEventListener("popstate", () => {
    address.value = location.pathname + location.search;
  });
  document.addEventListener("click", (event) => {
    const plainClick = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!plainClick || event.defaultPrevented || !link || link.origin !== location.origin || link.hash) return;
    event.preventDefault();
    go(link.pathname + link.search);
    scrollTo(0, 0);
  });
}
