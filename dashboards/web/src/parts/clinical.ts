/** Classes whose values are of a patient: their views carry the notice that this is no alarm system. */
const CLINICAL = new Set([
  "bp_meter",
  "glucose_meter",
  "cgm",
  "scale",
  "thermometer",
  "oximeter",
  "bedside_monitor",
  "infusion_pump",
  "drip_monitor",
  "bed_sensor",
  "nurse_call",
]);

export function clinical(deviceClass: string): boolean {
  return CLINICAL.has(deviceClass);
}
