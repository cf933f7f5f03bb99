/** The editor of a transform: tried on a sample by a real sender, saved, and explained where it cannot be run. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, signedIn } from "./lib/browser.mjs";
import * as office from "./lib/office.mjs";
import * as peers from "./lib/peer.mjs";

let browser, peer;
before(async () => {
  browser = await launch();
  peer = await peers.start();
  await office.transforms();
});
after(async () => {
  peer?.stop();
  await browser?.close();
});

const program = (page) => page.getByLabel("Program (jq)");
const sample = (page) => page.getByLabel("Sample payload (JSON)");
const press = (page, name) => page.getByRole("region", { name: /^Transform/ }).getByRole("button", { name }).click();

async function open(hook, options) {
  const page = await signedIn(browser, `#/webhooks/${hook.id}`, options);
  await page.getByRole("heading", { name: /^Transform/ }).waitFor();
  return page;
}

test("the newest dead letter is the sample, its transform is tried, saved and used", async () => {
  const { hook, entry } = await office.deadLetter(`${peer.url}/status/404`, { payload: '{"order":{"id":"o1","total":2.50},"noise":1}' });
  const page = await open(hook);
  await page.getByText("From the newest dead letter").waitFor();
  assert.equal(await sample(page).inputValue(), '{\n  "order": {\n    "id": "o1",\n    "total": 2.50\n  },\n  "noise": 1\n}');
  await program(page).fill("{id: .order.id}");
  await press(page, "Try it");
  const output = page.getByRole("region", { name: /^Output/ });
  await output.waitFor();
  assert.equal(await output.textContent(), '{\n  "id": "o1"\n}');
  assert.match(await page.locator(".trial").innerText(), /11 bytes in [\d.]+ ms/);
  assert.equal((await office.call("GET", `/v1/webhooks/${hook.id}`)).transform, null, "a trial saves nothing");
  await press(page, "Save");
  await page.locator(".trial").getByText("Saved: deliveries that have not begun are made by it.").waitFor();
  assert.equal((await office.call("GET", `/v1/webhooks/${hook.id}`)).transform, "{id: .order.id}");
  await page.getByRole("link", { name: entry.eventType }).click();
  await page.getByText("with today's transform").waitFor();
  await page.goBack();
  await press(page, "Remove");
  await page.locator(".trial").getByText("The transform is removed").waitFor();
  assert.equal((await office.call("GET", `/v1/webhooks/${hook.id}`)).transform, null);
  await page.finish();
});

test("what goes wrong is said in the sandbox's words", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.trial"));
  const page = await open(hook);
  await program(page).fill(".a |");
  await page.keyboard.press("Control+Enter");
  await page.locator(".trial").getByText("It failed").waitFor();
  assert.match(await page.locator(".trial").innerText(), /transform_invalid/);
  await program(page).fill(".");
  await sample(page).fill('{"n": 12345678901234567890}'); // a parser here would have altered it
  await press(page, "Try it");
  await page.locator(".trial").getByText(/12345678901234567890/).waitFor();
  assert.match(await page.locator(".trial").innerText(), /number_altered/);
  await page.finish();
});

test("a sample that is no JSON is marked and not sent", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.trial"));
  const page = await open(hook);
  await program(page).fill(".");
  await sample(page).fill("{");
  page.on("request", (request) => assert.ok(!request.url().includes("test-transform")));
  await press(page, "Try it");
  await page.getByText("This is no JSON").waitFor();
  assert.equal(await sample(page).getAttribute("aria-invalid"), "true");
  await page.finish();
});

test("where no sender can run transforms the page says why", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.trial"));
  const page = await open(hook, { expect: [422] });
  await page.route(/test-transform$/, (route) => route.fulfill({
    status: 422, contentType: "application/problem+json", body: JSON.stringify({ status: 422, code: "transforms-unavailable", detail: "No sender can run transforms safely: it has no sandboxes.", title: "Unprocessable Content" }),
  }));
  await program(page).fill(".");
  await press(page, "Try it");
  await page.getByText("No sender can run transforms at the moment.").waitFor();
  assert.match(await page.locator(".trial").innerText(), /seccomp/);
  await page.finish();
});

test("what somebody writes is not drawn over by news", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.trial"));
  const page = await open(hook);
  await program(page).fill("{mine: .}");
  await office.patch(`/v1/webhooks/${hook.id}`, { transform: "{theirs: .}", name: "Renamed" });
  await page.getByRole("heading", { level: 1, name: "Renamed" }).waitFor();
  assert.equal(await program(page).inputValue(), "{mine: .}");
  await page.getByText("Somebody else changed the transform meanwhile.").waitFor();
  await press(page, "Revert");
  assert.equal(await program(page).inputValue(), "{theirs: .}");
  await page.finish();
});
