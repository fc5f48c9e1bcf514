// Pictures of every view, to be looked at: `npm run build && npm run mock & node dev/shots.mjs FOLDER`.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch } from "../e2e/browser.mjs";

const base = process.env.BASE_URL ?? "http://127.0.0.1:8080";
const folder = process.argv[2] ?? "/tmp/shots";
mkdirSync(folder, { recursive: true });

const ask = async (path) => (await fetch(base + path)).json();
const { devices } = await ask("/api/v1/devices?limit=5000");
const { alerts } = await ask("/api/v1/alerts?limit=1");
const first = (name) => devices.find((device) => device.class === name && device.latest.length > 0)?.id ?? "none";
const PAGES = {
  overview: "/",
  devices: "/devices",
  device: `/devices/${first("bp_meter")}`,
  bed: `/devices/${first("bedside_monitor")}`,
  fridge: `/devices/${first("cold_store")}`,
  cabinet: `/devices/${first("drug_cabinet")}`,
  alerts: "/alerts",
  alert: `/alerts/${alerts[0]?.id ?? "none"}`,
  quarantine: "/quarantine",
  system: "/system",
};
const LOOKS = {
  zh: {},
  en: { lang: "en" },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
  dark: { colorScheme: "dark" },
  "phone-dark-en": { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", lang: "en" },
};

for (const [look, { lang, ...options }] of Object.entries(LOOKS)) {
  const { context, close } = await launch(options);
  for (const [name, path] of Object.entries(PAGES)) {
    const page = await context.newPage();
    page.on("pageerror", (error) => console.log(`${look}/${name}: ${error}`));
    page.on("console", (message) => message.type() === "error" && console.log(`${look}/${name}: ${message.text()}`));
    await page.goto(`${base}${path}${lang ? `?lang=${lang}` : ""}`);
    await page.getByTestId("live").and(page.locator("[data-state=live]")).waitFor();
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(folder, `${name}-${look}.png`) });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.querySelector(".main").scrollWidth > document.querySelector(".main").clientWidth);
    if (wide) console.log(`${look}/${name}: scrolls sideways`);
    await page.close();
  }
  await close();
}
