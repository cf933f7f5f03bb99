/** Everything without a mouse: move, open, decide, undo, and the way back of the focus. */
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

const rowOf = (page, id) => page.locator(`tr[data-id="${id}"]`);

async function twoEntries(target) {
  const eventType = office.unique("web.keys");
  await office.webhook(target, eventType);
  await office.event(eventType);
  await office.entries(eventType, 1);
  await office.event(eventType);
  return { eventType, entries: await office.entries(eventType, 2) };
}

test("j, k, Enter, d, undo and r walk through a triage", async () => {
  const name = office.unique("keys").replaceAll(".", "-");
  const { eventType, entries: [newer, older] } = await twoEntries(`${peer.url}/down-until-told/${name}`);
  const page = await signedIn(browser, `#/entries?eventType=${eventType}`);
  await rowOf(page, older.id).waitFor();
  for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
  assert.match(await rowOf(page, newer.id).getAttribute("class"), /is-current/);

  await page.keyboard.press("d");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await office.until("the focus to come back", () => page.evaluate((id) => document.activeElement?.closest("tr")?.dataset.id === id, newer.id));
  await page.keyboard.press("d");
  await page.keyboard.type("not needed"); // the reason has the focus
  await page.keyboard.press("Tab");
  for (let i = 0; i < 12 && !(await page.evaluate(() => document.activeElement?.textContent === "Discard 1 entry")); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await rowOf(page, newer.id).getByText("Discarded").waitFor();
  await page.getByRole("button", { name: "Undo" }).focus();
  await page.keyboard.press("Enter");
  await rowOf(page, newer.id).getByText("Open").waitFor();

  await peer.up(name);
  await rowOf(page, newer.id).locator(".row-link").focus();
  await page.keyboard.press("r");
  await page.getByRole("dialog", { name: "Replay this dead letter?" }).waitFor();
  assert.equal((await office.call("GET", `/v1/dlq/${newer.id}`)).state, "open", "a key alone sends nothing");
  await page.keyboard.press("Enter");
  await rowOf(page, newer.id).getByText("Resolved").waitFor();

  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: eventType }).waitFor();
  assert.ok(page.url().endsWith(older.id));
  await page.keyboard.press("u");
  await rowOf(page, older.id).waitFor();
  await page.finish();
});

test("slash searches, brackets change the attempt, the question mark helps", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/500`, { settings: { maxAttempts: 2 } });
  const page = await signedIn(browser);
  await page.getByRole("heading", { level: 1, name: "Dead letters" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type(entry.id);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /^Attempt 2/ }).waitFor();
  await page.keyboard.press("[");
  await page.getByRole("heading", { name: /^Attempt 1/ }).waitFor();
  await page.keyboard.press("]");
  await page.getByRole("heading", { name: /^Attempt 2/ }).waitFor();
  await page.getByRole("tab", { name: "Response" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.getByRole("tab", { name: "Request" }).getAttribute("aria-selected"), "true");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.finish();
});

test("single keys can be turned off, and stay off", async () => {
  const page = await signedIn(browser);
  await page.keyboard.press("?");
  await page.getByLabel("Single-key shortcuts").uncheck();
  await page.keyboard.press("Escape");
  await page.reload();
  await page.locator(".number").first().waitFor();
  await page.keyboard.press("?");
  await page.keyboard.press("/");
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "BODY");
  await page.finish();
});

test("the skip link leads past the header", async () => {
  const page = await signedIn(browser);
  await page.reload();
  await page.locator(".number").first().waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await page.finish();
});

test("the theme is toggled by a key and survives a reload", async () => {
  const page = await signedIn(browser);
  await page.locator(".number").first().waitFor();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await page.keyboard.press("t");
  const after = await ground();
  assert.notEqual(after, before);
  await page.reload();
  assert.equal(await ground(), after);
  await page.finish();
});
