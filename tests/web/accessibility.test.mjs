/** axe on every view, light and dark, wide and narrow; nothing is wider than a phone, no target too small to hit. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, open, signedIn } from "./lib/browser.mjs";
import * as office from "./lib/office.mjs";
import * as peers from "./lib/peer.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

let browser, peer, failed, resolved, discarded, resting, waiting;
before(async () => {
  browser = await launch();
  peer = await peers.start();
  failed = (await office.deadLetter(`${peer.url}/json-error`, { name: "Accounting", settings: { maxAttempts: 2 } })).entry;
  discarded = (await office.deadLetter(`${peer.url}/status/404`)).entry;
  await office.call("POST", `/v1/dlq/${discarded.id}/discard`, { reason: "looked at" });
  resting = (await office.openCircuit(`${peer.url}/status/503`)).hook;
  waiting = (await office.call("GET", `/v1/deliveries?webhookId=${resting.id}&status=pending`)).data[0];
  await office.transforms();
  await office.patch(`/v1/webhooks/${failed.webhookId}`, { transform: "{id: .id}" });
  await office.put("/v1/event-types/web.axe", { schema: { type: "object" } });
  resolved = (await office.deadLetter(`${peer.url}/down-until-told/axe`)).entry;
  await peer.up("axe");
  await office.call("POST", `/v1/dlq/${resolved.id}/re-drive`);
  await office.until("the replay", async () => (await office.call("GET", `/v1/dlq/${resolved.id}`)).state === "resolved");
});
after(async () => {
  peer?.stop();
  await browser?.close();
});

async function check(page, what) {
  await page.evaluate(axe); // by the debugger: the page's policy would stop a script element
  const violations = await page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target.join(" ")} ${n.any[0]?.message ?? ""}`).join(" | ")}`);
  }, TAGS);
  assert.deepEqual(violations, [], what);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what}: ${wide} px wider than the window`);
}

const settings = (page) => page.getByRole("heading", { name: "Settings" });

/** [name, hash, what to wait for, what to do then] */
const views = [
  ["list", "#/entries?state=all", (page) => page.locator(".entries-table tbody tr[data-id]").first()],
  ["list with filters", "#/entries?channel=x&eventType=no.such", (page) => page.getByText("Nothing matches")],
  ["entry", () => `#/entries/${failed.id}`, (page) => page.locator(".attempts")],
  ["entry, request", () => `#/entries/${failed.id}`, (page) => page.locator(".attempts"), (page) => page.getByRole("tab", { name: "Request" }).click()],
  ["entry, timing", () => `#/entries/${failed.id}`, (page) => page.locator(".attempts"), (page) => page.getByRole("tab", { name: "Timing" }).click()],
  ["entry, discarding", () => `#/entries/${failed.id}`, (page) => page.locator(".attempts"), (page) => page.getByRole("button", { name: "Discard…" }).click()],
  ["entry, resolved", () => `#/entries/${resolved.id}`, (page) => page.getByText("It arrived.")],
  ["entry, discarded", () => `#/entries/${discarded.id}`, (page) => page.getByText(/looked at/)],
  ["entry, missing", "#/entries/dlq_01m000000000000000000000zz", (page) => page.getByRole("alert")],
  ["webhooks", "#/webhooks", (page) => page.getByText("0 %").first()],
  ["help", "#/webhooks", (page) => page.getByText("0 %").first(), (page) => page.keyboard.press("?")],
  ["webhook, resting", () => `#/webhooks/${resting.id}`, (page) => page.locator(".notice.circuit")],
  ["webhook, editing", () => `#/webhooks/${resting.id}`, settings, async (page) => {
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Attempts").fill("99");
    await page.getByRole("form", { name: "Settings" }).getByRole("button", { name: "Save" }).click();
    await page.getByText("Not saved").waitFor();
  }],
  ["webhook, disabling", () => `#/webhooks/${failed.webhookId}`, settings, (page) => page.getByRole("button", { name: "Disable…" }).click()],
  ["webhook, rotating", () => `#/webhooks/${failed.webhookId}`, settings, async (page) => {
    await page.getByRole("button", { name: "Rotate secret…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
    await page.locator("#new-secret").waitFor();
  }],
  ["webhook, trying", () => `#/webhooks/${failed.webhookId}`, settings, async (page) => {
    await page.getByRole("button", { name: "Try it" }).click();
    await page.locator(".trial pre, .trial .notice.bad").waitFor();
  }],
  ["webhook, missing", "#/webhooks/whk_01m000000000000000000000zz", (page) => page.getByRole("alert")],
  ["deliveries", "#/deliveries", (page) => page.locator(".deliveries-table tbody tr").first()],
  ["deliveries, none", "#/deliveries?eventType=no.such", (page) => page.getByText("Nothing matches")],
  ["delivery, waiting", () => `#/deliveries/${waiting.id}`, (page) => page.locator(".facts")],
  ["delivery, failed", () => `#/deliveries/${failed.deliveryId}`, (page) => page.locator(".attempts")],
  ["event types", "#/event-types", (page) => page.getByText("web.axe"), (page) => page.getByText("web.axe").click()],
  ["nowhere", "#/nowhere", (page) => page.getByText("There is nothing at this address.")],
];

for (const dark of [false, true]) {
  for (const width of [1280, 360]) {
    test(`${dark ? "dark" : "light"}, ${width} px`, async () => {
      const options = { dark, width, height: 800, expect: [401, 404, 422, 429] };
      const sign = await open(browser, options);
      await sign.goto(office.url);
      await sign.getByLabel("Login").waitFor();
      await check(sign, "sign-in");
      await sign.finish();
      const page = await signedIn(browser, "#/entries", options);
      for (const [name, hash, there, act] of views) {
        await page.goto("about:blank");
        await page.goto(`${office.url}/${typeof hash === "function" ? hash() : hash}`);
        await there(page).waitFor();
        await page.locator(".number").first().waitFor({ state: "attached" });
        await act?.(page);
        await check(page, name);
      }
      await page.finish();
    });
  }
}
