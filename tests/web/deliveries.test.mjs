/** Deliveries: what is held and why, and one delivery followed to its end. Event types, to read. */
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

const rows = (page) => page.locator(".deliveries-table tbody tr");
const of = async (eventType) => (await office.call("GET", `/v1/deliveries?eventType=${eventType}`)).data;

async function held() {
  const eventType = office.unique("web.held");
  const hook = await office.webhook(`${peer.url}/ok`, eventType, { name: eventType });
  await office.call("POST", `/v1/webhooks/${hook.id}/pause`);
  await office.event(eventType, '{"n":1}', { externalId: eventType });
  return { eventType, hook };
}

test("what is held shows why and until when, and goes out before one's eyes", async () => {
  const { eventType, hook } = await held();
  const page = await signedIn(browser, `#/deliveries?webhookId=${hook.id}`);
  await rows(page).getByText("Held", { exact: true }).waitFor();
  assert.match(await rows(page).innerText(), /Paused\s+at most until/);
  await office.call("POST", `/v1/webhooks/${hook.id}/resume`);
  await rows(page).getByText("Delivered").waitFor();
  await rows(page).getByRole("link", { name: eventType }).click();
  await page.getByText("It arrived at attempt 1").waitFor();
  await page.finish();
});

test("the list is filtered by what is held, by form and by address", async () => {
  const { eventType, hook } = await held();
  const other = office.unique("web.sent");
  await office.webhook(`${peer.url}/ok`, other);
  await office.event(other);
  await office.until("the other to be sent", async () => (await of(other))[0]?.status === "delivered");
  const page = await signedIn(browser, "#/deliveries");
  await rows(page).getByText(other).waitFor();
  await page.getByLabel("Held", { exact: true }).selectOption("Held");
  await rows(page).getByText(other).waitFor({ state: "detached" });
  await rows(page).getByRole("link", { name: eventType }).waitFor();
  assert.match(page.url(), /held=true/);
  await page.reload();
  await page.getByRole("button", { name: "Held: yes" }).click();
  await rows(page).getByText(other).waitFor();
  await page.getByLabel("Find").fill(eventType);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: `External id: ${eventType}` }).waitFor();
  await office.until("one row", async () => await rows(page).count() === 1);
  await office.call("POST", `/v1/webhooks/${hook.id}/resume`);
  await page.finish();
});

test("new deliveries are counted, and shown when somebody asks", async () => {
  const eventType = office.unique("web.new");
  await office.webhook(`${peer.url}/ok`, eventType);
  await office.event(eventType);
  await office.until("it to be sent", async () => (await of(eventType))[0]?.status === "delivered");
  const page = await signedIn(browser, `#/deliveries?eventType=${eventType}`);
  await rows(page).first().waitFor();
  await office.event(eventType);
  await page.getByRole("button", { name: "1 new: show" }).click();
  await office.until("two rows", async () => await rows(page).count() === 2);
  await page.finish();
});

test("nothing held and nothing found are said in words", async () => {
  const page = await signedIn(browser, `#/deliveries?eventType=${office.unique("web.none")}&held=true`);
  await page.getByText("Nothing matches these filters.").waitFor();
  await page.route(/\/v1\/deliveries/, (route) => route.fulfill({ json: { data: [], nextCursor: null } }));
  await page.goto("about:blank");
  await page.goto(`${office.url}/#/deliveries?held=true`);
  await page.getByText("Nothing is held.").waitFor();
  await page.finish();
});

test("a delivery is followed through its retries", async () => {
  const eventType = office.unique("web.follow");
  await office.webhook(`${peer.url}/flaky/1`, eventType, { maxAttempts: 2, retrySchedule: [4] });
  await office.event(eventType);
  const { id } = await office.until("its first attempt", async () => (await of(eventType)).find((d) => d.attemptCount === 1));
  const page = await signedIn(browser, `#/deliveries/${id}`);
  await page.getByText("1 attempt so far; next").waitFor();
  await page.getByText("It arrived at attempt 2").waitFor();
  assert.equal(await page.locator(".attempt").count(), 2);
  await page.finish();
});

test("event types show their schema", async () => {
  const name = office.unique("web.type");
  await office.put(`/v1/event-types/${name}`, { description: "Something <b>happened</b>", schema: { type: "object", required: ["id"] } });
  await office.put(`/v1/event-types/${name}.plain`, {});
  const page = await signedIn(browser, "#/event-types");
  const type = page.locator(`details[data-type="${name}"]`);
  await type.getByText("Something <b>happened</b>").waitFor();
  await type.locator("summary").focus();
  await page.keyboard.press("Enter");
  const schema = type.getByRole("region", { name: "JSON Schema" });
  await schema.waitFor();
  assert.deepEqual(JSON.parse(await schema.textContent()), { type: "object", required: ["id"] });
  await page.locator(`details[data-type="${name}.plain"] summary`).click();
  await page.getByText("Every payload of this type is taken.").waitFor();
  await page.finish();
});
