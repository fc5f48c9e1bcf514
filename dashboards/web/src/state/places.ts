import { signal } from "@preact/signals";
import type { Zone } from "../api/types";
import { pick } from "../i18n";

/** How people call the places, by name. */
const names = signal<ReadonlyMap<string, Zone["name"]>>(new Map());

/** Takes the places in. */
export function takeZones(zones: Zone[]): void {
  names.value = new Map(zones.map((zone) => [zone.id, zone.name]));
}

/** How a place is called in the language of the board; its own name where nobody said it. */
export function placeName(id: string): string {
  const known = names.value.get(id);
  if (known === undefined) return id;
  return pick(known) || known.zh || known.en || id;
}
