/** Outcome codes a team chooses from when it closes an alert (DOMAIN 9.5, those that part 1 can meet). */
const BY_TEAM: Record<string, string[]> = {
  chronic_care: ["contacted_ok", "visit_booked", "education", "artefact", "wrong_person", "unreachable", "device_problem"],
  ward: ["attended", "doctor_informed", "artefact", "device_problem", "false_alarm"],
  pharmacy: ["restocked", "door_closed", "explained", "device_problem", "false_alarm"],
  logistics: ["moved", "returned", "found", "repaired", "vendor_called", "false_alarm"],
};
const ELSE = ["attended", "repaired", "device_problem", "explained", "false_alarm"];

export function outcomes(team: string): string[] {
  return BY_TEAM[team] ?? ELSE;
}
