/** The list: what it shows, filters and the address, growing, and refreshing without moving. */
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

const rows = (page) => page.locator(".entries-table tbody tr[data-id]");
const chip = (page, name) => page.locator(`.chip[data-filter="${name}"]`);

test("a row says when, where, what, why and for how long", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/503`, { name: "Warehouse" });
  const page = await signedIn(browser, `#/entries?eventType=${entry.eventType}`);
  const text = await rows(page).first().innerText();
  for (const part of ["Warehouse", entry.eventType, "Server error 503", "HTTP 503", "Open", /(just now|s ago)/, /in \d+ d/]) assert.match(text, new RegExp(part));
  assert.match(await page.locator(".list-head").innerText(), /1 open, filtered/);
  await page.finish();
});

test("filters go into the address, and the address into filters", async () => {
  const { entry, hook } = await office.deadLetter(`${peer.url}/status/404`, { event: { channel: "web-tests", externalId: office.unique("ext") } });
  const page = await signedIn(browser);
  await page.getByLabel("Webhook", { exact: true }).selectOption(hook.id);
  await chip(page, "webhookId").waitFor();
  await page.getByLabel("Reason").selectOption("http_4xx");
  await chip(page, "failureReason").waitFor();
  await page.getByLabel("Entered").selectOption("-1h");
  await chip(page, "from").waitFor();
  assert.match(page.url(), new RegExp(`webhookId=${hook.id}`));
  assert.match(page.url(), /failureReason=http_4xx/);
  assert.match(page.url(), /from=-1h/);
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);

  const bookmark = await signedIn(browser, `#/entries?channel=web-tests&externalId=${entry.externalId}&state=all`);
  await rows(bookmark).first().waitFor();
  assert.equal(await bookmark.getByLabel("Channel").inputValue(), "web-tests");
  assert.equal(await bookmark.locator('.tabs [aria-current="page"]').innerText(), "All");
  await chip(bookmark, "channel").click();
  await office.until("the filter to leave the address", () => !bookmark.url().includes("channel="));
  await bookmark.finish();
  await page.finish();
});

test("nothing that matches is said with a way out", async () => {
  const page = await signedIn(browser, "#/entries?eventType=no.such.type");
  await page.getByText("Nothing matches these filters.").waitFor();
  await page.getByRole("button", { name: "Clear the filters" }).click();
  await office.until("the filters to go", () => page.url().endsWith("#/entries"));
  await page.finish();
});

test("the search field opens an entry by its id and filters by an external id", async () => {
  const externalId = office.unique("order");
  const { entry } = await office.deadLetter(`${peer.url}/status/500`, { event: { externalId } });
  const page = await signedIn(browser);
  await page.getByLabel("Find").fill(externalId);
  await page.keyboard.press("Enter");
  await chip(page, "externalId").waitFor();
  await office.until("one row", async () => (await rows(page).count()) === 1);
  await page.getByLabel("Find").fill(entry.deliveryId);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: entry.eventType }).waitFor();
  await page.finish();
});

test("more rows come by cursor, and the total is exact", async () => {
  const eventType = office.unique("web.many");
  for (let i = 0; i < 4; i++) await office.webhook(`${peer.url}/status/400`, eventType); // too few of each to open a circuit
  await office.call("POST", "/v1/events/batch", { events: Array.from({ length: 15 }, (_, n) => ({ eventType, payload: { n } })) });
  await office.until("60 dead letters", async () => (await office.call("GET", `/v1/dlq?eventType=${eventType}&count=exact`)).total === 60);
  const page = await signedIn(browser, `#/entries?eventType=${eventType}`);
  await page.getByText("50 of 60 shown").waitFor();
  await page.getByRole("button", { name: "Load more" }).click();
  await page.getByText("60 of 60 shown").waitFor();
  assert.equal(await rows(page).count(), 60);
  await page.finish();
});

test("what is new waits behind a pill and moves nothing", async () => {
  const { entry, eventType } = await office.deadLetter(`${peer.url}/status/500`);
  const page = await signedIn(browser, `#/entries?eventType=${eventType}`);
  await rows(page).first().waitFor();
  await page.keyboard.press("j");
  await office.event(eventType);
  const pill = page.getByRole("button", { name: "1 new: show" });
  await pill.waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.getByText("2 open, filtered").waitFor();
  await pill.click();
  await office.until("the new row", async () => (await rows(page).count()) === 2);
  assert.equal(await rows(page).nth(1).getAttribute("data-id"), entry.id);
  await page.finish();
});

test("an empty list fills itself, and a row decided elsewhere stays in its place and says so", async () => {
  const eventType = office.unique("web.late");
  await office.webhook(`${peer.url}/status/500`, eventType);
  const page = await signedIn(browser, `#/entries?eventType=${eventType}`);
  await page.getByText("Nothing matches these filters.").waitFor();
  await office.event(eventType);
  await rows(page).first().waitFor();
  const [entry] = await office.entries(eventType);
  await office.call("POST", `/v1/dlq/${entry.id}/discard`, { reason: "elsewhere" });
  await rows(page).first().getByText("Changed").waitFor();
  await page.finish();
});

test("coming back from an entry finds the list and the row as they were left", async () => {
  const { entry, eventType } = await office.deadLetter(`${peer.url}/status/500`);
  const page = await signedIn(browser, `#/entries?eventType=${eventType}`);
  await rows(page).first().click();
  await page.getByRole("heading", { level: 1, name: eventType }).waitFor();
  await page.goBack();
  await rows(page).first().waitFor();
  assert.match(page.url(), new RegExp(`eventType=${eventType}`));
  await office.until("the focus on the row", () => page.evaluate((id) => document.activeElement?.closest("tr")?.dataset.id === id, entry.id));
  await page.finish();
});

test("a failure of the server is a sentence with a request id and a way to try again", async () => {
  const page = await signedIn(browser, "#/webhooks", { expect: [503] });
  await page.route(/\/v1\/dlq\?/, (route) => route.fulfill({
    status: 503, contentType: "application/problem+json", json: { status: 503, code: "unavailable", title: "Unavailable", requestId: "req-1234" },
  }));
  await page.getByRole("link", { name: "Dead letters", exact: true }).click();
  await page.getByText("The database is away. What was accepted is safe; try again shortly.").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /req-1234/);
  await page.unroute(/\/v1\/dlq\?/);
  await page.getByRole("button", { name: "Try again" }).click();
  await rows(page).first().waitFor();
  await page.finish();
});
