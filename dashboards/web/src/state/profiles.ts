import { signal } from "@preact/signals";
import type { Metric, Profile } from "../api/types";

/** What the profiles in force say about metrics, by class and name. */
const metrics = signal<ReadonlyMap<string, Metric & { place: number }>>(new Map());

/** Takes the profiles in. Where two models of a class know a metric, the first that names it counts. */
export function takeProfiles(profiles: Profile[]): void {
  const all = new Map<string, Metric & { place: number }>();
  for (const profile of profiles) {
    for (const [place, metric] of profile.metrics.entries()) {
      const key = `${profile.class}/${metric.name}`;
      if (!all.get(key)?.label) all.set(key, { ...metric, place });
    }
  }
  metrics.value = all;
}

/** What is known about a metric of a class. */
export function metricOf(deviceClass: string, metric: string): (Metric & { place: number }) | undefined {
  return metrics.value.get(`${deviceClass}/${metric}`);
}
