// What a person presses: BASE_URL=http://127.0.0.1:8080 node e2e/orders.mjs open|adopt
// `open`: drawer A3 of lock l1, which somebody else plays. `adopt`: device bp-7, whose messages wait in quarantine.
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const base = process.env.BASE_URL;
const { context, close } = await launch();

async function at(path) {
  const page = await context.newPage();
  await page.goto(`${base}${path}`);
  await page.locator("[data-testid=live][data-state=live]").waitFor();
  return page;
}

async function open() {
  const page = await at("/devices/l1?lang=zh");
  const panel = page.getByTestId("commands");
  await panel.locator("[data-command=unlock]").click();
  assert.equal(await panel.locator("[data-command=erase]").count(), 0, "what the site does not allow has no button");
  const send = panel.locator("[data-send=unlock]");
  assert.equal(await send.innerText(), "发出：开锁");
  await send.click();
  assert.equal(await panel.locator("tbody tr").count(), 0, "nothing leaves without a drawer");
  await panel.getByLabel("抽屉号").fill("A3");
  await panel.getByLabel("原因").fill("round");
  let lost = 0;
  await page.route("**/api/v1/devices/l1/commands", async (route) => {
    if (route.request().method() !== "POST" || lost > 0) return route.continue();
    lost += 1;
    await route.fetch();
    return route.abort();
  });
  await send.click();
  await panel.getByRole("alert").waitFor();
  assert.equal(lost, 1, "the order arrived and its answer did not");
  // Whoever leaves the form now and orders the same again has ordered once.
  await panel.getByRole("button", { name: "取消" }).click();
  await panel.locator("[data-command=unlock]").click();
  await panel.getByLabel("抽屉号").fill("A3");
  await panel.getByLabel("原因").fill("round");
  await send.click();
  await panel.locator("form").waitFor({ state: "detached" });
  const done = panel.locator("tr[data-state=done]");
  await done.waitFor();
  assert.match(await done.innerText(), /开锁 A3[\s\S]*已执行[\s\S]*round/);
  assert.equal(await panel.locator("tbody tr").count(), 1, "it was one order");
}

async function adopt() {
  const page = await at("/quarantine?lang=zh");
  const row = page.locator("[data-testid=strangers] tbody tr").filter({ hasText: "bp-7" });
  await row.getByTestId("adopt").click();
  const said = page.locator("[data-testid=strangers] [role=status]");
  await said.waitFor();
  assert.match(await said.innerText(), /bp-7.*2/);
  await row.waitFor({ state: "detached" });
  // What it had said is a year old.
  await page.goto(`${base}/devices/bp-7?lang=en`);
  await page.getByRole("button", { name: "All", exact: true }).click();
  await page.locator("[data-testid=readings] [data-taken]").first().waitFor();
}

try {
  const what = { open, adopt }[process.argv[2]];
  assert.ok(what, "open or adopt");
  await what();
  console.log(`board: ${process.argv[2]}`);
} finally {
  await close();
}
