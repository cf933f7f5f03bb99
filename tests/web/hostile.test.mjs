/** Whatever a receiver, a producer or a colleague wrote is shown as text, and nothing of it runs. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, signedIn } from "./lib/browser.mjs";
import * as office from "./lib/office.mjs";
import * as peers from "./lib/peer.mjs";

const corpus = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "javascript:alert(1)",
  "<iframe srcdoc='<script>alert(1)</script>'>", "{{constructor.constructor('alert(1)')()}}", "</title><script>alert(1)</script>",
  "<a href=\"javascript:alert(1)\">x</a>", "<style>*{display:none}</style>", "${alert(1)}", "<math><mtext><style><img src onerror=alert(1)>",
].join("\n");

let browser, peer;
before(async () => {
  browser = await launch();
  peer = await peers.start();
});
after(async () => {
  peer?.stop();
  await browser?.close();
});

/** No element of the page was made by the corpus. */
async function clean(page) {
  const found = await page.evaluate(() => ["script:not([src^='js/'])", "iframe", "img[onerror]", "img[src='x']", "svg[onload]", "style", "math", "a[href^='javascript']"]
    .filter((selector) => document.querySelector(selector)));
  assert.deepEqual(found, []);
}

test("a response body full of markup is text", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/status/500?type=text/html&body=${encodeURIComponent(corpus)}`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  assert.equal(await page.getByRole("region", { name: "Body" }).textContent(), corpus);
  await clean(page);
  await page.finish();
});

test("a header value full of markup is text", async () => {
  const value = corpus.split("\n")[0];
  const { entry } = await office.deadLetter(`${peer.url}/status/500?type=${encodeURIComponent(value)}`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  await page.getByRole("tabpanel").getByText(value).waitFor();
  await clean(page);
  await page.finish();
});

test("a payload and its metadata full of markup are text", async () => {
  const payload = JSON.stringify({ note: corpus, ["<b>key</b>"]: "\u202egnp.exe" });
  const { entry } = await office.deadLetter(`${peer.url}/status/500`, { payload, event: { metadata: { "<i>m</i>": "<img src=x onerror=alert(1)>" }, externalId: "<script>alert(1)</script>", customerExternalId: "\"><img src=x onerror=alert(1)>" } });
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  const block = page.getByRole("region", { name: "Payload" });
  assert.match(await block.textContent(), /<img src=x onerror=alert\(1\)>/);
  assert.match(await block.textContent(), /⟨U\+202E⟩gnp\.exe/);
  await page.getByText("<i>m</i>").waitFor();
  await clean(page);
  await page.finish();
});

test("a webhook's name and address full of markup are text, in every view", async () => {
  const name = "<img src=x onerror=alert(1)><script>alert(2)</script>";
  const { entry, hook } = await office.deadLetter(`${peer.url}/status/500/%3Cscript%3Ealert(1)%3C/script%3E`, { name });
  const page = await signedIn(browser, `#/entries?webhookId=${hook.id}`);
  await page.locator(".entries-table").getByText(name).waitFor();
  await clean(page);
  await page.goto(`${office.url}/#/entries/${entry.id}`);
  await page.locator(".entry-to").getByText(name).waitFor();
  await clean(page);
  await page.goto(`${office.url}/#/webhooks`);
  await page.locator(".hooks-table").getByText(name).waitFor();
  await clean(page);
  await office.patch(`/v1/webhooks/${hook.id}`, { payloadSchema: { title: corpus } });
  await page.goto(`${office.url}/#/webhooks/${hook.id}`);
  await page.getByRole("heading", { level: 1, name }).waitFor();
  await page.getByText("Show", { exact: true }).click();
  await page.getByRole("region", { name: "Payload schema" }).getByText("<iframe").waitFor();
  await clean(page);
  await page.goto(`${office.url}/#/deliveries?webhookId=${hook.id}`);
  await page.locator(".deliveries-table").getByText(name).waitFor();
  await clean(page);
  await page.goto(`${office.url}/#/deliveries/${entry.deliveryId}`);
  await page.locator(".entry-to").getByText(name).waitFor();
  await clean(page);
  await page.finish();
});

test("an address full of markup makes no markup", async () => {
  const page = await signedIn(browser, `#/entries?eventType=${encodeURIComponent("<img src=x onerror=alert(1)>")}&fingerprint=%3Cscript%3E&state=<b>`, { expect: [400] });
  await page.locator(".chip").first().waitFor();
  await page.getByRole("alert").waitFor();
  await clean(page);
  await page.finish();
});

test("bytes that are no text are shown as base64, control characters as symbols", async () => {
  const bad = await office.deadLetter(`${peer.url}/badbytes`);
  const page = await signedIn(browser, `#/entries/${bad.entry.id}`);
  await page.getByText("not text: shown as base64").waitFor();
  const control = await office.deadLetter(`${peer.url}/status/500?body=${encodeURIComponent("a\u0007b\u001b[31mc")}`);
  await page.goto(`${office.url}/#/entries/${control.entry.id}`);
  await page.getByRole("region", { name: "Body" }).getByText("a␇b␛[31mc").waitFor();
  await page.finish();
});

test("a large body is shown in parts", async () => {
  const { entry } = await office.deadLetter(`${peer.url}/big/200`);
  const page = await signedIn(browser, `#/entries/${entry.id}`);
  const body = page.getByRole("region", { name: "Body" });
  assert.ok((await body.textContent()).length <= 65_536);
  await page.getByText("cut off").waitFor();
  await page.finish();
});
