/** One dead letter: its story, and decisions whose outcome is seen without reloading. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
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

const state = (page) => page.locator(".entry-title .badge");
/** A mark that a reload would wipe away. */
const stay = (page) => page.evaluate(() => { window.stayed = true; });
const stayed = (page) => page.evaluate(() => window.stayed === true);

test("the timeline shows every attempt with status, body, headers and timing", async () => {
  const { entry, eventType } = await office.deadLetter(`${peer.url}/json-error`, { settings: { maxAttempts: 3 } });
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await page.getByRole("heading", { level: 1, name: eventType }).waitFor();
  assert.equal(await page.locator(".attempt").count(), 3);
  assert.match(await page.locator(".attempt").first().innerText(), /#3\s+HTTP 500\s+[\d.]+ ms/);
  assert.match(await page.locator(".timeline").innerText(), /waited \d+(\.\d+)? m?s/);
  const panel = page.getByRole("tabpanel");
  assert.match(await panel.innerText(), /content-type\s+application\/json/);
  assert.match(await panel.locator("pre").innerText(), /\{\n {2}"/);
  await page.getByRole("tab", { name: "Request" }).click();
  assert.match(await panel.innerText(), new RegExp(`webhook-id\\s+${entry.eventId}`));
  await page.getByRole("tab", { name: "Timing" }).click();
  assert.match(await panel.innerText(), /Wait for answer\s+[\d.]+ ms/);
  await page.locator('[data-attempt="1"]').click();
  await page.getByRole("heading", { name: /^Attempt 1/ }).waitFor();
  await page.getByText("in total").waitFor(); // the tab stays
  await page.finish();
});

test("the payload is laid out for reading, shown as sent, and downloaded byte for byte", async () => {
  const payload = '{"n":1.10,  "big":12345678901234567890,"z":"\\u0000","n":2,"e":[],"o":{"ä":"ß"}}';
  const { entry } = await office.deadLetter(`${peer.url}/status/400`, { payload });
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  const block = page.getByRole("region", { name: "Payload" });
  assert.equal(await block.textContent(), '{\n  "n": 1.10,\n  "big": 12345678901234567890,\n  "z": "\\u0000",\n  "n": 2,\n  "e": [],\n  "o": {\n    "ä": "ß"\n  }\n}');
  await page.getByRole("button", { name: "Show as sent" }).click();
  assert.equal(await block.textContent(), payload);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  assert.equal(download.suggestedFilename(), `${entry.id}.json`);
  assert.equal(await readFile(await download.path(), "utf8"), payload);
  await page.finish();
});

test("a replay to a receiver that has recovered resolves before one's eyes", async () => {
  const name = office.unique("recovers").replaceAll(".", "-");
  const { entry } = await office.deadLetter(`${peer.url}/down-until-told/${name}`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await state(page).getByText("Open").waitFor();
  await peer.up(name);
  await stay(page);
  await page.getByRole("button", { name: "Replay" }).click();
  await state(page).getByText("Resolved").waitFor();
  await page.getByText(/The receiver answered HTTP 20\d in/).waitFor();
  assert.equal(await page.getByRole("button", { name: "Replay" }).isDisabled(), true);
  assert.match(await page.locator("#why-not").innerText(), /Only an open dead letter can be replayed/);
  await office.until("the announcement", async () => /arrived/.test(await page.locator("#announcer").textContent()));
  assert.ok(await stayed(page));
  await page.finish();
});

test("a replay that fails again leads to its new dead letter, and the chain joins both", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/500`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await stay(page);
  await page.getByRole("button", { name: "Replay" }).click();
  await state(page).getByText("Failed again").waitFor();
  await page.getByRole("link", { name: "Open the new dead letter" }).click();
  await state(page).getByText("Open").waitFor();
  const chain = page.locator(".chain");
  await chain.getByText("Replay 1").waitFor();
  await chain.getByRole("link", { name: "Original" }).click();
  await state(page).getByText("Failed again").waitFor();
  assert.ok(page.url().endsWith(entry.id));
  assert.ok(await stayed(page));
  await page.finish();
});

test("a replay that waits says for what", async () => {
  const { entry, hook } = await office.deadLetter(`${peer.url}/status/500`);
  await office.call("POST", `/v1/webhooks/${hook.id}/pause`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await page.getByText("The webhook is paused: a replay waits until it is resumed.").waitFor();
  await page.getByRole("button", { name: "Replay" }).click();
  await page.getByText("Held because the webhook is paused.").waitFor();
  await office.call("POST", `/v1/webhooks/${hook.id}/resume`);
  await state(page).getByText("Failed again").waitFor();
  await page.finish();
});

test("a discard asks why, is seen at once, and can be undone", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/500`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await stay(page);
  await page.getByRole("button", { name: "Discard…" }).click();
  await page.getByRole("button", { name: "Discard 1 entry" }).click();
  assert.ok(await page.getByRole("dialog").isVisible(), "a reason is required");
  await page.getByRole("dialog").getByRole("textbox").fill("sent by hand");
  await page.getByRole("button", { name: "Discard 1 entry" }).click();
  await state(page).getByText("Discarded").waitFor();
  await page.getByText(/By you .*: “sent by hand”/).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await state(page).getByText("Open").waitFor();
  assert.equal((await office.call("GET", `/v1/dlq/${entry.id}`)).state, "open");
  assert.ok(await stayed(page));
  await page.finish();
});

test("a discarded one is restored from its own page", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/500`);
  await office.call("POST", `/v1/dlq/${entry.id}/discard`, { reason: "by the API" });
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await page.getByRole("button", { name: "Restore" }).click();
  await state(page).getByText("Open").waitFor();
  await page.getByRole("button", { name: "Replay" }).waitFor();
  await page.finish();
});

test("what cannot be replayed says why before one tries", async () => {
  const { entry, hook } = await office.deadLetter(`${peer.url}/status/500`);
  await office.call("DELETE", `/v1/webhooks/${hook.id}`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await page.getByText("Its webhook was deleted.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Replay" }).isDisabled(), true);
  assert.equal(await page.getByRole("button", { name: "Discard…" }).isDisabled(), false);
  await page.finish();
});

test("a decision somebody else made first is a sentence, and the page follows", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/500`);
  const page = await signedIn(browser, `#/entries/${entry.id}`, { expect: [409] });
  await page.getByRole("button", { name: "Discard…" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("too late");
  await office.call("POST", `/v1/dlq/${entry.id}/discard`, { reason: "first" });
  await page.getByRole("button", { name: "Discard 1 entry" }).click();
  await page.locator(".toast").getByText(/Somebody was faster/).waitFor();
  await state(page).getByText("Discarded").waitFor();
  await page.finish();
});

test("an id that leads nowhere is said in words", async () => {
  const page = await signedIn(browser, "#/entries/dlq_01m000000000000000000000zz", { expect: [404] });
  await page.getByText("This does not exist, or not any more.").waitFor();
  await page.finish();
});

test("with a transform a replay sends what was sent, or what today's transform makes", async () => {
  await office.transforms();
  const name = office.unique("modes").replaceAll(".", "-");
  const payload = '{"id": "o1", "noise": [1, 2, 3]}';
  const { entry, hook } = await office.deadLetter(`${peer.url}/down-until-told/${name}`, { payload, settings: { transform: "{id, v: 1}" } });
  await office.patch(`/v1/webhooks/${hook.id}`, { transform: "{id, v: 2, more: true}" });
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  const artifacts = page.locator(".artifacts");
  await artifacts.waitFor();
  assert.match(await artifacts.innerText(), /Received\s+32 bytes, SHA-256\s+[0-9a-f]{64}[\s\S]*Sent\s+17 bytes, SHA-256\s+[0-9a-f]{64}/);
  assert.ok(await page.getByLabel("as it was sent").isChecked());
  await page.getByLabel("with today's transform").check();
  const sent = page.waitForRequest(/re-drive$/);
  await page.getByRole("button", { name: "Replay", exact: true }).click();
  assert.equal((await sent).postData(), '{"mode":"current"}');
  await page.getByRole("link", { name: "Open the new dead letter" }).click();
  await page.getByRole("link", { name: "Original" }).waitFor();
  await office.until("the other bytes", async () => /Sent\s+29 bytes/.test(await artifacts.innerText()));
  await peer.up(name);
  await page.keyboard.press("r");
  assert.ok(await page.getByRole("dialog").getByLabel("as it was sent").isChecked());
  await page.keyboard.press("Escape");
  await page.finish();
});

test("without a transform there is nothing to choose, and the sent bytes are the received ones", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/404`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await page.locator(".artifacts").getByText("the same bytes: no transform changed them").waitFor();
  assert.equal(await page.getByRole("radio").count(), 0);
  await page.finish();
});

test("what was held too long leads to the deliveries that opened the circuit", async () => {
  const { hook, eventType } = await office.openCircuit(`${peer.url}/status/503`, { holdBudgetSeconds: 1 });
  const entry = await office.until("a dead letter of the circuit", async () => (await office.call("GET", `/v1/dlq?webhookId=${hook.id}&failureReason=circuit_open`)).data[0]);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  const first = page.locator(".facts").getByRole("link", { name: /^dlv_/ }).last();
  await page.getByText("Circuit opened by").waitFor();
  assert.match(await page.locator(".timeline-end").innerText(), /opened by\s+dlv_/);
  await first.click();
  await page.getByRole("heading", { level: 1, name: eventType }).waitFor();
  assert.match(page.url(), /#\/deliveries\/dlv_/);
  await page.finish();
});
