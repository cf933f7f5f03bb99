/** The strip on top: a sentence for each situation, and none of them healthier than the truth. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, signedIn } from "./lib/browser.mjs";
import * as office from "./lib/office.mjs";

const NOW = "2026-11-22T03:00:00.000Z";
const calm = {
  enteringPerMinute: 0, usualPerMinute: 0.2, lastEntryAt: "2026-11-19T03:00:00.000Z", open: 0, webhooksAffected: 0, webhooksTotal: 214,
  topGroups: [], expiring: { count: 0, firstAt: null }, waiting: { due: 0, later: 3, held: 0, relation: "eq" }, operations: [],
  oldestDueSeconds: null, workerHeartbeatAgeSeconds: 2, countedAt: NOW, alertsFiring: 0, silenced: 0,
};

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** What the strip says about an overview. */
async function verdictOf(page, overview) {
  await page.unroute("**/v1/overview");
  await page.route("**/v1/overview", (route) => route.fulfill({ json: { ...calm, ...overview } }));
  await page.reload();
  await page.locator(".number").first().waitFor();
  return { text: await page.locator("#verdict").innerText(), tone: await page.locator("#verdict").getAttribute("class") };
}

test("each situation has its sentence, and green says why it is green", async () => {
  const page = await signedIn(browser);
  const cases = [
    [{}, /good/, /All clear[\s\S]*Last dead letter 3 d ago; worker heartbeat 2 s ago; nothing is overdue/],
    [{ open: 318, webhooksAffected: 1 }, /warn/, /It has stopped. 318 dead letters wait[\s\S]*1 of 214 webhooks affected/],
    [{ open: 318, enteringPerMinute: 42, webhooksAffected: 187 }, /bad/, /Still happening: 42 dead letters in the last minute[\s\S]*usual is 0.2/],
    [{ oldestDueSeconds: 720 }, /warn/, /Sending is behind[\s\S]*12 min/],
    [{ workerHeartbeatAgeSeconds: 240, waiting: { due: 7, later: 1, held: 0, relation: "eq" } }, /bad/, /The worker is not running[\s\S]*4 min ago[\s\S]*8 deliveries wait/],
    [{ workerHeartbeatAgeSeconds: null }, /bad/, /The worker is not running[\s\S]*never reported/],
  ];
  for (const [overview, tone, text] of cases) {
    const seen = await verdictOf(page, overview);
    assert.match(seen.tone, tone, JSON.stringify(overview));
    assert.match(seen.text, text, JSON.stringify(overview));
  }
  await page.finish();
});

test("them or us, what is about to be lost, and the causes are told apart", async () => {
  const page = await signedIn(browser);
  const group = { fingerprint: "0".repeat(32), failureReason: "http_5xx", lastStatusCode: 503, webhookId: "whk_00000000000000000000000001", count: 300, lastError: "HTTP 503", firstSeenAt: NOW, lastSeenAt: NOW };
  await verdictOf(page, { open: 318, webhooksAffected: 187, topGroups: [group], expiring: { count: 318, firstAt: "2026-11-22T08:12:30.000Z" } });
  const numbers = await page.locator(".numbers").innerText();
  assert.match(numbers, /187 of 214\s+most are hit: perhaps it is us/);
  assert.match(numbers, /318\s+first in 5 h 12 min/);
  await page.getByRole("link", { name: /300 Server error 503/ }).click();
  assert.match(page.url(), /fingerprint=0{32}/);
  await page.finish();
});

test("an overview that cannot be read is unknown, not healthy", async () => {
  const page = await signedIn(browser, "#/entries", { expect: [502] });
  await verdictOf(page, {});
  await page.unroute("**/v1/overview");
  await page.route("**/v1/overview", (route) => route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }));
  await page.getByText("The state is unknown.").waitFor();
  await page.unroute("**/v1/overview");
  await page.getByRole("button", { name: "Try again" }).click();
  await office.until("an answer", async () => !/unknown/.test(await page.locator("#verdict").innerText()));
  await page.finish();
});

test("nothing is asked while nobody looks, and at once when somebody looks again", async () => {
  const page = await signedIn(browser);
  await page.clock.install();
  await page.reload();
  await page.locator(".number").first().waitFor();
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const hide = (hidden) => page.evaluate((now) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => now });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await page.clock.runFor(6000);
  await office.until("requests while the page is seen", () => asked.includes("/v1/overview"));
  await hide(true);
  await page.clock.runFor(10_000); // what was planned before still comes
  await page.waitForLoadState("networkidle");
  asked.length = 0;
  await page.clock.runFor(120_000);
  assert.deepEqual(asked, []);
  await hide(false);
  await office.until("a request", () => asked.includes("/v1/overview"));
  await page.finish();
});
