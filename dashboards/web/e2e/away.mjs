// A board over a gateway that is killed and comes back. Whoever starts this kills the gateway after the word `open`
// and starts it again after the word `stale`: BASE_URL=http://127.0.0.1:8080 DEVICE=bay-0001 node e2e/away.mjs
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const base = process.env.BASE_URL;
const device = process.env.DEVICE;
const { context, close } = await launch();
try {
  const page = await context.newPage();
  await page.goto(`${base}/devices?lang=zh`);
  const live = (state) => page.locator(`[data-testid=live][data-state=${state}]`);
  const value = page.locator(`[data-device="${device}"] .val b`).first();
  await live("live").waitFor();
  await value.waitFor();
  const colour = () => value.evaluate((node) => getComputedStyle(node).color);
  const [before, fresh] = [await value.innerText(), await colour()];

  console.log("open");
  await live("lost").waitFor();
  const banner = page.getByRole("status").filter({ hasText: "与网关断开" });
  await banner.waitFor();
  assert.match(await banner.innerText(), /显示 \d\d:\d\d:\d\d 的数据/, "the banner says of when the data are");
  assert.equal(await value.innerText(), before, "the last known value stays");
  assert.notEqual(await colour(), fresh, "it is grey");
  assert.match(await page.locator(`[data-device="${device}"] .num`).innerText(), /前$/, "with its age");

  console.log("stale");
  await live("live").waitFor({ timeout: 60_000 });
  await banner.waitFor({ state: "detached" });
  assert.equal(await colour(), fresh, "what is live is not grey");
  console.log("board: back by itself");
} finally {
  await close();
}
