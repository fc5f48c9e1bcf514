// Two screens and one task: BASE_URL=http://127.0.0.1:8080 node e2e/worklist.mjs
// Wheelchair w-1 is outside the fence. It is claimed on a phone and finished there; the wall screen follows by itself.
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const base = process.env.BASE_URL;
const { context, close } = await launch();

async function at(path, size) {
  const page = await context.newPage();
  if (size) await page.setViewportSize(size);
  await page.goto(`${base}${path}`);
  await page.locator("[data-testid=live][data-state=live]").waitFor();
  return page;
}

try {
  const wall = await at("/worklist/wheelchairs?lang=en");
  const onWall = wall.locator("[data-testid=task]").filter({ hasText: "w-1" });
  await onWall.waitFor();
  assert.match(await onWall.innerText(), /P2[\s\S]*w-1[\s\S]*has left the campus/);
  assert.ok(await onWall.locator("[data-do=claim]").isDisabled(), "nobody claims without a number");

  const phone = await at("/worklist?lang=zh", { width: 390, height: 844 });
  const task = phone.locator("[data-testid=task]").filter({ hasText: "w-1" });
  await task.waitFor();
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling at 390 px");
  await phone.getByLabel("我的工号").fill("porter-7");
  const claim = task.locator("[data-do=claim]");
  const { height, width } = await claim.boundingBox();
  assert.ok(height >= 48 && width > 300, `a thumb finds it: ${width} x ${height}`);

  if (process.env.SHOTS) await phone.screenshot({ path: `${process.env.SHOTS}/worklist-phone.png` });

  // The answer to the first press is lost; the second press is the same order.
  let lost = 0;
  await phone.route("**/claim", async (route) => {
    if (lost > 0) return route.continue();
    lost += 1;
    await route.fetch();
    return route.abort();
  });
  await claim.click();
  await phone.locator("[data-task][data-state=claimed]").filter({ hasText: "w-1" }).waitFor();
  assert.equal(lost, 1, "the order arrived and its answer did not, and the screen heard of it all the same");
  assert.match(await task.getByTestId("owner").innerText(), /在我手里/);

  await wall.locator("[data-task][data-state=claimed]").filter({ hasText: "w-1" }).waitFor();
  assert.match(await onWall.getByTestId("owner").innerText(), /porter-7/);
  assert.equal(await onWall.locator("[data-do=claim]").count(), 0, "it is somebody's");
  assert.equal(await wall.locator("[data-list=wheelchairs] small").innerText(), "1");

  if (process.env.SHOTS) await wall.screenshot({ path: `${process.env.SHOTS}/worklist-wall.png` });

  // With the keyboard: f opens the form of the card that has the focus.
  await task.focus();
  await phone.keyboard.press("f");
  await task.locator("[data-outcome=found]").click();
  if (process.env.SHOTS) await phone.screenshot({ path: `${process.env.SHOTS}/worklist-finish.png` });
  await task.getByLabel("说明").fill("在东门外");
  await task.locator("[data-send=finish]").click();
  await task.waitFor({ state: "detached" });
  await onWall.waitFor({ state: "detached" });
  await wall.locator("[data-tab=done]").click();
  await onWall.waitFor();
  assert.match(await onWall.innerText(), /found[\s\S]*porter-7 · 在东门外/);
  await wall.locator("[data-tile=done] .v", { hasText: "1" }).waitFor();
  await wall.emulateMedia({ media: "print" });
  assert.ok(await wall.locator(".print-only").isVisible() && !(await wall.locator(".rail").isVisible()), "what is printed is the round alone");
  console.log("board: worklist");
} finally {
  await close();
}
