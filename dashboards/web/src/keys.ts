import { signal } from "@preact/signals";
import { go } from "./route";

const KEPT_AS = "orderly.keys";
const ROOMS: Record<string, string> = { o: "/", w: "/worklist", d: "/devices", a: "/alerts", q: "/quarantine", s: "/system" };

/** Whether single keys do something; people who dictate turn them off (WCAG 2.1.4). */
export const singleKeys = signal(true);
export const helpOpen = signal(false);

export function setSingleKeys(on: boolean): void {
  singleKeys.value = on;
  localStorage.setItem(KEPT_AS, on ? "on" : "off");
}

/** Keys work on what is on the page: rows carry `data-row`, the main action carries `data-key`. */
export function startKeys(): void {
  singleKeys.value = localStorage.getItem(KEPT_AS) !== "off";
  let going = false;
  addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      find();
      return;
    }
    if (event.key === "Escape" && helpOpen.value) {
      helpOpen.value = false;
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !singleKeys.value || typing(event.target)) return;
    if (going) {
      going = false;
      const room = ROOMS[event.key];
      if (room) go(room);
      return;
    }
    act(event);
    going = event.key === "g";
  });
}

function act(event: KeyboardEvent): void {
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") helpOpen.value = !helpOpen.value;
  else document.querySelector<HTMLButtonElement>(`[data-key="${CSS.escape(event.key)}"]:not(:disabled)`)?.click();
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), select, textarea");
}

/** Moves the focus among the rows; Enter then follows the link that has it. */
function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].filter((row) => row.offsetParent !== null);
  const at = rows.findIndex((row) => row === document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

function find(): void {
  const field = document.querySelector<HTMLInputElement>("input[type=search]");
  field?.focus();
  field?.select();
}
