/** The webhooks: health in numbers, and the buttons that help at night. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, signedIn } from "./lib/browser.mjs";
import * as office from "./lib/office.mjs";
import * as peers from "./lib/peer.mjs";

let browser, peer;
before(async () => {
  browser = await launch();
  peer = await peers.start();
});
after(async () => {
  peer?.stop();
  await browser?.close();
});

const row = (page, hook) => page.locator(`tr[data-id="${hook.id}"]`);

test("without webhooks the page says how to make one", async () => {
  const page = await signedIn(browser, "#/entries");
  await page.route(/\/v1\/webhooks/, (route) => route.fulfill({ json: { data: [], nextCursor: null } }));
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByText("No webhooks yet.").waitFor();
  await page.finish();
});

test("a row shows state, dead letters and success, and leads to its dead letters", async () => {
  const { hook } = await office.deadLetter(`${peer.url}/status/500`, { name: "Accounting" });
  const page = await signedIn(browser, "#/webhooks");
  await row(page, hook).getByText("0 %").waitFor();
  assert.match(await row(page, hook).innerText(), /Accounting[\s\S]*Failing[\s\S]*0 % of 1 request/);
  await row(page, hook).getByRole("link", { name: "1" }).click();
  await page.locator(".entries-table tbody tr[data-id]").first().waitFor();
  assert.match(page.url(), new RegExp(hook.id));
  await page.finish();
});

test("pause holds, resume releases", async () => {
  const eventType = office.unique("web.pause");
  const hook = await office.webhook(`${peer.url}/ok`, eventType, { name: eventType });
  const page = await signedIn(browser, "#/webhooks");
  await row(page, hook).getByRole("button", { name: /^Pause/ }).click();
  await row(page, hook).getByText("Paused").waitFor();
  await office.event(eventType);
  await office.until("one held", async () => (await row(page, hook).locator('[data-label="Held"]').innerText()).trim() === "1" || page.reload().then(() => false));
  await row(page, hook).getByRole("button", { name: /^Resume/ }).click();
  await row(page, hook).getByText("Enabled").waitFor();
  await office.until("its delivery", async () => (await office.call("GET", `/v1/deliveries?eventType=${eventType}`)).data[0]?.status === "delivered");
  await page.finish();
});

test("retry now sends what waits for its retry", async () => {
  const eventType = office.unique("web.retry");
  const name = eventType.replaceAll(".", "-");
  const hook = await office.webhook(`${peer.url}/down-until-told/${name}`, eventType, { maxAttempts: 2, retrySchedule: [3600] });
  await office.event(eventType);
  await office.until("one waiting", async () => (await office.call("GET", `/v1/deliveries?eventType=${eventType}`)).data[0]?.attemptCount === 1);
  await peer.up(name);
  const page = await signedIn(browser, "#/webhooks");
  await row(page, hook).getByRole("button", { name: /^Retry now/ }).click();
  await page.locator(".toast").getByText("1 delivery will be sent now.").waitFor();
  await office.until("its delivery", async () => (await office.call("GET", `/v1/deliveries?eventType=${eventType}`)).data[0]?.status === "delivered");
  await page.finish();
});

test("a disabled webhook says why", async () => {
  const { hook } = await office.deadLetter(`${peer.url}/gone`);
  const page = await signedIn(browser, "#/webhooks");
  await row(page, hook).getByText("Disabled").waitFor();
  assert.match(await row(page, hook).innerText(), /410/);
  await page.finish();
});
