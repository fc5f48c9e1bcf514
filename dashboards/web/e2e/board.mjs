// The board in a real browser over a running daemon: BASE_URL=http://127.0.0.1:8080 LEDGER=ledger.jsonl node e2e/board.mjs
// What is on the board must be what the simulator's ledger says was sent and acknowledged.
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";
import { readLedger } from "./ledger.mjs";

const base = process.env.BASE_URL ?? "http://127.0.0.1:8080";
const ledger = process.env.LEDGER ? readLedger(process.env.LEDGER, 50) : new Map();
/** How many devices of each class are compared, and how many readings of each. */
const DEVICES_PER_CLASS = Number(process.env.DEVICES_PER_CLASS ?? 3);
const READINGS_PER_DEVICE = Number(process.env.READINGS_PER_DEVICE ?? 10);
/** How long the gateway may take for what is due anyway (a no-data alert needs its time). */
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);

const SENTENCE = { zh: "信息系统，非主要报警设备", en: "Information system, not a primary alarm" };
const problems = [];

async function open(context, path) {
  const page = await context.newPage();
  page.on("pageerror", (error) => problems.push(`${path}: ${error}`));
  page.on("console", (message) => message.type() === "error" && problems.push(`${path}: ${message.text()}`));
  await page.goto(base + path);
  await page.locator("[data-testid=live][data-state=live]").waitFor();
  return page;
}

/** What the board writes for a number of the ledger, but for zeros at the end: a device's own decimals are kept. */
const written = (value) => new Intl.NumberFormat("en-GB", { maximumFractionDigits: 3, useGrouping: Math.abs(value) >= 10_000 }).format(value);
const bare = (text) => text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

async function overviewShowsEveryClass(context) {
  const page = await open(context, "/?lang=zh");
  assert.equal(await page.locator("h1").innerText(), "总览");
  assert.equal((await page.getByTestId("notice").innerText()).trim(), SENTENCE.zh);
  const classes = new Set([...ledger.values()].flat().map((entry) => entry.class));
  for (const one of classes) await page.locator(`[data-class="${one}"]`).waitFor({ timeout: PATIENCE_MS });
  await page.close();
  return `${classes.size} classes`;
}

/** Devices of each class that the ledger has numbers for. */
function sampled() {
  const byClass = new Map();
  for (const [device, entries] of ledger) {
    const list = byClass.get(entries[0].class) ?? [];
    if (list.length < DEVICES_PER_CLASS) byClass.set(entries[0].class, [...list, device]);
  }
  return [...byClass.values()].flat();
}

async function valuesEqualTheLedger(context) {
  let compared = 0;
  for (const device of sampled()) {
    const page = await open(context, `/devices/${encodeURIComponent(device)}?lang=en`);
    await page.getByRole("button", { name: "All", exact: true }).click();
    await page.locator("[data-testid=readings] [data-taken]").first().waitFor({ timeout: PATIENCE_MS });
    for (const entry of ledger.get(device).slice(0, READINGS_PER_DEVICE)) {
      const row = page.locator(`[data-testid=readings] [data-taken="${entry.takenAt}"]`).first();
      if ((await row.count()) === 0) continue; // behind the first page of rows
      for (const [metric, value] of Object.entries(entry.values)) {
        if (typeof value !== "number") continue;
        const shown = await shownValue(row, metric);
        if (shown === null) continue; // a field that is no metric (a counter, a time)
        assert.equal(bare(shown), written(value), `${device} ${metric} at ${entry.takenAt}`);
        compared += 1;
      }
    }
    await page.close();
  }
  if (ledger.size > 0) assert.ok(compared > 0, "no value of the ledger was found on the board");
  return `${compared} values`;
}

async function shownValue(row, metric) {
  const own = row.locator(`[data-metric="${metric}"] b`);
  if ((await own.count()) > 0) return own.innerText();
  const pair = row.locator('[data-metric="sys/dia"] b');
  if (!["sys", "dia"].includes(metric) || (await pair.count()) === 0) return null;
  return (await pair.innerText()).split("/")[metric === "sys" ? 0 : 1];
}

async function anAlertIsHandled(context) {
  const page = await open(context, "/alerts?lang=zh");
  const open_ = page.locator("[data-testid=alert-list] [data-testid=alert]").filter({ hasText: "待处理" }).first();
  await open_.waitFor({ timeout: PATIENCE_MS });
  const zh = await open_.locator(".h").innerText();
  await open_.click();
  await page.getByTestId("acknowledge").click();
  await page.getByTestId("handling").filter({ hasText: "已确认" }).waitFor();
  await page.getByRole("button", { name: "EN" }).click();
  await page.getByTestId("handling").filter({ hasText: "acknowledged" }).waitFor();
  const en = await page.locator("[data-testid=alert-detail] h2").innerText();
  assert.ok(zh.length > 0 && en.length > 0 && zh !== en, `two languages: ${zh} / ${en}`);
  await page.locator("fieldset.outcomes button").first().click();
  await page.getByTestId("handling").filter({ hasText: "closed" }).waitFor();
  await page.close();
  return `${zh} / ${en}`;
}

async function languageSwitches(context) {
  const page = await open(context, "/?lang=zh");
  await page.getByRole("button", { name: "EN" }).click();
  assert.equal(await page.locator("h1").innerText(), "Overview");
  assert.equal(await page.locator("html").getAttribute("lang"), "en-GB");
  assert.equal((await page.getByTestId("notice").innerText()).trim(), SENTENCE.en);
  await page.getByRole("button", { name: "中" }).click();
  assert.equal(await page.locator("h1").innerText(), "总览");
  await page.close();
  return "zh, en";
}

async function keyboardReachesTheRooms(context) {
  const page = await open(context, "/?lang=en");
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.locator("h1", { hasText: "Devices" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("no-such-device");
  await page.getByText("No device fits").waitFor();
  await page.close();
  return "g d, Ctrl K";
}

async function nothingScrollsSideways(context, label) {
  for (const path of ["/", "/devices", "/alerts", "/quarantine", "/system"]) {
    const page = await open(context, path);
    const wide = await page.evaluate(() => {
      const main = document.querySelector(".main");
      return document.documentElement.scrollWidth > innerWidth || (main?.scrollWidth ?? 0) > (main?.clientWidth ?? 0);
    });
    assert.equal(wide, false, `${path} scrolls sideways at ${label}`);
    await page.close();
  }
  return label;
}

const desk = await launch();
const phone = await launch({ viewport: { width: 390, height: 844 } });
try {
  const steps = [
    ["the overview shows every class", () => overviewShowsEveryClass(desk.context)],
    ["values equal the ledger", () => valuesEqualTheLedger(desk.context)],
    ["the language switches", () => languageSwitches(desk.context)],
    ["the keyboard reaches the rooms", () => keyboardReachesTheRooms(desk.context)],
    ["an alert shows, is acknowledged and closed", () => anAlertIsHandled(desk.context)],
    ["nothing scrolls sideways", () => nothingScrollsSideways(desk.context, "1440")],
    ["nothing scrolls sideways on a phone", () => nothingScrollsSideways(phone.context, "390")],
  ];
  for (const [name, step] of steps) console.log(`ok   ${name}: ${await step()}`);
  assert.deepEqual(problems, [], "errors in the browser");
  console.log(`board: ${steps.length} passed`);
} finally {
  await desk.close();
  await phone.close();
}
