// A stand-in for the gateway's API with invented data, for working on the boards: `npm run build && npm run mock`.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as sample from "./sample.mjs";

const PORT = Number(process.env.PORT ?? 8080);
const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const start = Date.now();
const devices = sample.devices(start);
const alerts = sample.alerts(start);
const quarantined = sample.quarantine(start);
const live = new Set();
let commit = 48_210;

const status = () => ({
  version: "0.1.0", site: "main", started_at: sample.iso(start - 9_000_000), now: sample.iso(Date.now()), commit,
  journal: { durable: 1_204_880, unsynced_bytes: 18_400, segments: 4, bytes: 61_000_000 },
  engine: { cursor: 1_204_872, lag: 8 },
  sinks: [{ name: "influx", cursor: 1_204_500, lag: 372, state: "ok", last_error: null }],
  sources: [{ name: "listener", up: true, connections: 812, detail: null }, { name: "modbus:fridges", up: true, connections: 1, detail: null }, { name: "mqtt:emqx", up: false, connections: 0, detail: "连接被拒绝 10.3.0.5:1883" }],
  rates: { messages_per_s: 122.4 + sample.random() * 4, readings_per_s: 121.2 },
  counts: { devices: devices.length, online: devices.length, readings: 482_113, repeats: 1_204, late: 310, quarantined: quarantined.length },
  alerts: { firing: 5, open: 4 },
  warnings: [{ code: "source_down", text: { zh: "来源 mqtt:emqx 断开 4 分钟", en: "Source mqtt:emqx has been down for 4 minutes" } }],
});

const histories = new Map();

function history(device, query) {
  const known = histories.get(device.id);
  if (known) return known;
  const many = Math.min(Number(query.get("limit") ?? 500), 160);
  const readings = Array.from({ length: many }, (_, n) => {
    const at = Date.now() - n * 540_000;
    return { ...sample.readingOf(device, at), origin: `${90_000 - n}.0`, device_time: sample.iso(at), sequence: null };
  });
  histories.set(device.id, { readings, next: null });
  return histories.get(device.id);
}

function answer(path, query, request) {
  if (path === "/api/v1/devices") return { devices, next: null };
  if (path === "/api/v1/status") return status();
  if (path === "/api/v1/profiles") return { profiles: [] };
  if (path === "/api/v1/zones") return { zones: [], ways: [], next: null };
  if (path === "/api/v1/alerts") return { alerts: query.get("condition") ? alerts.filter((a) => a.condition === query.get("condition")) : alerts };
  if (path === "/api/v1/quarantine") return { items: quarantined.slice(0, 50), total: quarantined.length, next: null };
  const [kind, id, verb] = path.slice("/api/v1/".length).split("/").map(decodeURIComponent);
  const device = kind === "devices" && devices.find((one) => one.id === id);
  if (device) return verb === "readings" ? history(device, query) : device;
  const alert = kind === "alerts" && alerts.find((one) => one.id === id);
  if (!alert) return null;
  if (request.method === "POST") {
    alert.handling = verb === "close" ? "closed" : "acknowledged";
    alert.transition += 1;
    commit += 1;
    send("alerts", { alerts: [alert] }, commit);
    return { seq: 1, alert };
  }
  const step = (number, condition, handling, at) => ({ number, condition, handling, at, decided_at: at, seq: 88_100 + number });
  return { alert, transitions: [step(1, "pending", "open", alert.began_at), step(2, "firing", "open", alert.fired_at)] };
}

function send(name, data, id) {
  const text = `${id ? `id: ${id}\n` : ""}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  for (const response of live) response.write(text);
}

setInterval(() => send("status", status()), 1000);
setInterval(() => {
  const changed = Array.from({ length: 6 }, () => devices[Math.floor(sample.random() * devices.length)]).filter((d) => d.online !== false);
  for (const device of changed) {
    device.latest = [sample.readingOf(device, Date.now() - 1000)];
    device.last_seen = sample.iso(Date.now() - 200);
  }
  commit += 1;
  send("devices", { devices: changed }, commit);
}, 500);

createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://x");
  if (url.pathname === "/api/v1/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 2000\n\n");
    live.add(response);
    request.on("close", () => live.delete(response));
    return;
  }
  if (url.pathname.startsWith("/api/")) {
    const body = answer(url.pathname, url.searchParams, request);
    response.writeHead(body ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(body ?? { error: { code: "not_found", message: "no", hint: "" } }));
    return;
  }
  const wanted = join(DIST, normalize(url.pathname));
  const file = existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(DIST, "index.html");
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
}).listen(PORT, "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}`));
