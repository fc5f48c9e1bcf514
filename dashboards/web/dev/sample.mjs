// Invented data for working on the boards without a gateway. Seeded: the same numbers every time.

let seed = 7;
export function random() {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}
const pick = (list) => list[Math.floor(random() * list.length)];
const round = (n, digits = 1) => Number(n.toFixed(digits));

const value = (v, unit = "", quality = "good", more = {}) => ({ value: v, unit, quality, ...more });

/** Class -> count, zones, expected interval in seconds, and a maker of values. */
const CLASSES = {
  bp_meter: [200, ["home"], null, () => {
    const sys = 105 + random() * 75;
    const artefact = random() < 0.08;
    const more = artefact ? ["bad", { reason: "device_flag" }] : ["good", {}];
    return { sys: value(Math.round(sys), "mm[Hg]", ...more), dia: value(Math.round(sys * 0.62), "mm[Hg]", ...more), pulse: value(Math.round(58 + random() * 40), "/min") };
  }],
  glucose_meter: [120, ["home"], null, () => ({
    glucose: random() < 0.03 ? value(null, "mmol/L", "bad", { missing: "high", reason: "missing", raw: "HI" }) : value(round(3.5 + random() * 10), "mmol/L"),
    meal: value(pick(["fasting", "before_meal", "after_meal", "bedtime"])),
  })],
  bedside_monitor: [20, ["ward-12", "ward-15", "icu"], 60, () => ({ hr: value(Math.round(60 + random() * 50), "/min"), spo2: value(Math.round(90 + random() * 10), "%"), rr: value(Math.round(12 + random() * 10), "/min"), temp: value(round(36 + random() * 2), "Cel") })],
  wheelchair: [16, ["outpatient-hall", "inpatient-lobby", "gate-3"], 600, () => ({ zone: value(pick(["outpatient-hall", "inpatient-lobby", "gate-3"])), lock: value(pick(["locked", "unlocked"])), battery: value(Math.round(random() * 100), "%") })],
  parking_sensor: [400, ["S1", "S2", "N1", "N2"], 900, () => ({ occupied: value(pick(["occupied", "free"])), battery: value(Math.round(50 + random() * 50), "%") })],
  drug_cabinet: [6, ["pharmacy", "chronic-centre"], 60, () => ({ temp: value(round(18 + random() * 4), "Cel"), rh: value(Math.round(45 + random() * 15), "%"), door: value("closed") })],
  cold_store: [6, ["pharmacy"], 60, () => ({ temp: value(round(2.5 + random() * 6), "Cel"), door: value(pick(["closed", "closed", "open"])) })],
  guidance_sign: [4, ["gate-1", "gate-3"], 30, () => ({ shown: value(Math.round(random() * 400), "{count}") })],
  powerbank_cabinet: [2, ["outpatient-hall"], 60, () => ({ slots_full: value(Math.round(random() * 12), "{count}"), slots_free: value(Math.round(random() * 12), "{count}"), slot_temp: value(round(24 + random() * 8), "Cel") })],
  charger: [4, ["S1"], 60, () => ({ state: value(pick(["available", "charging", "fault"])), power: value(round(random() * 60), "kW") })],
};

export const iso = (ms) => new Date(ms).toISOString();

export function readingOf(device, at) {
  const make = CLASSES[device.class][3];
  return { stream: "reading", taken_at: iso(at), received_at: iso(at + 800), marks: random() < 0.03 ? ["late"] : [], values: make() };
}

export function devices(now) {
  const all = [];
  for (const [name, [many, zones, every]] of Object.entries(CLASSES)) {
    for (let n = 1; n <= many; n += 1) {
      const prefix = { bp_meter: "bp", glucose_meter: "gm", bedside_monitor: "mon", wheelchair: "wc", parking_sensor: "bay", drug_cabinet: "cab", cold_store: "fridge", guidance_sign: "sign", powerbank_cabinet: "pb", charger: "chg" }[name];
      const silent = every !== null && random() < 0.03;
      const age = every === null ? random() * 86_400_000 : silent ? every * 5000 : random() * every * (random() < 0.02 ? 3000 : 1000);
      const device = { id: `${prefix}-${String(n).padStart(4, "0")}`, class: name, profile: `${name}-json`, zone: zones[0] === "home" ? null : pick(zones), epoch: 0, self_registered: true, revoked: false, online: every === null ? null : !silent, last_seen: iso(now - age), expect_every_s: every, latest: [] };
      device.latest = [readingOf(device, now - age - 800)];
      all.push(device);
    }
  }
  return all;
}

export function alerts(now) {
  const make = (id, severity, device, deviceClass, team, zh, en, minutes, condition, handling) => ({
    id, rule: `${deviceClass}.default`, device, class: deviceClass, zone: null, metric: null, severity, team, text: { zh, en }, condition, handling,
    handled_by: handling === "open" ? null : "local-admin", outcome: handling === "closed" ? "attended" : null, began_at: iso(now - minutes * 60_000 - 30_000), fired_at: iso(now - minutes * 60_000),
    cleared_at: condition === "cleared" ? iso(now - minutes * 30_000) : null, cleared_reason: null, transition: 2,
  });
  return [
    make("9f2c0a6be4d11873", "P2", "bp-0007", "bp_meter", "chronic_care", "家庭血压 188/113，复测确认", "Home blood pressure 188/113, confirmed", 2, "firing", "open"),
    make("1b77a0e2c9d45f10", "P1", "pb-0001", "powerbank_cabinet", "logistics", "充电宝柜 3 号仓 61 °C", "Power-bank slot 3 at 61 °C", 1, "firing", "open"),
    make("77aa0e2c9d45f101", "P3", "fridge-0003", "cold_store", "pharmacy", "药品冷藏柜 8.4 °C 已 12 分钟", "Drug fridge 8.4 °C for 12 minutes", 12, "firing", "acknowledged"),
    make("2c77a0e2c9d45f11", "P3", "mon-0004", "bedside_monitor", "ward", "床旁监护仪 5 分钟没有数据", "Bedside monitor: no data for 5 minutes", 6, "firing", "open"),
    make("3d77a0e2c9d45f12", "P4", "bay-0044", "parking_sensor", "logistics", "车位检测器静默", "Bay sensor silent", 125, "firing", "open"),
    make("4e77a0e2c9d45f13", "P3", "wc-0009", "wheelchair", "logistics", "共享轮椅电量 12 %", "Shared wheelchair battery 12 %", 240, "cleared", "closed"),
  ];
}

export function quarantine(now) {
  const reasons = [
    ["unknown_device", "orderly/v1/main/bp_meter/bp-9999/up/reading", "the device is not on the register; add it with `orderly device add bp-9999`", '{"sys":152,"dia":96}'],
    ["malformed", "orderly/v1/main/wheelchair/wc-0003/up/reading", "not JSON: a value is expected at byte 0", "\\x17\\xF9\\xF0 lock=1"],
    ["oversize", "orderly/v1/main/bedside_monitor/mon-0002/up/wave", "1,048,576 bytes; at most 262,144 are kept", '{"wave":[0,0,0,0'],
  ];
  return Array.from({ length: 37 }, (_, n) => {
    const [code, address, reason, excerpt] = reasons[n % 3];
    return { seq: 90_000 - n * 13, index: 0, received_at: iso(now - n * 190_000), source: "listener", address, code, reason, excerpt, bytes: excerpt.length };
  });
}
