import { expect, test } from "vitest";
import type { Zone } from "../src/api/types";
import { placeName, takeZones } from "../src/state/places";

const zone = (id: string, zh: string, en: string): Zone => ({
  id,
  kind: "hall",
  in: null,
  name: { zh, en },
  level: null,
  capacity: null,
  marks: [],
});

test("a place is called as people call it, and by its own name where nobody said it", () => {
  takeZones([zone("opd-hall", "门诊大厅", "Outpatient hall"), zone("ed", "急诊", ""), zone("bare", "", "")]);
  expect(["门诊大厅", "Outpatient hall"]).toContain(placeName("opd-hall"));
  expect(placeName("ed")).toBe("急诊");
  expect(placeName("bare")).toBe("bare");
  expect(placeName("elsewhere")).toBe("elsewhere");
});
