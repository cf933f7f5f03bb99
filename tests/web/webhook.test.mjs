/** One webhook's page: why nothing is sent, and everything that can be done about it, with its outcome in sight. */
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

const stay = (page) => page.evaluate(() => { window.stayed = true; });
const stayed = (page) => page.evaluate(() => window.stayed === true);
const act = (page, name) => page.getByRole("article").getByRole("button", { name });
const stored = (hook) => office.call("GET", `/v1/webhooks/${hook.id}`);

/** A webhook's page, loaded. */
async function open(hook, options) {
  const page = await signedIn(browser, `#/webhooks/${hook.id}`, options);
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  await page.locator(".overview .number").first().waitFor(); // what comes in above moves what is below
  await stay(page);
  return page;
}

test("the list leads to a webhook's page", async () => {
  const eventType = office.unique("web.list");
  const hook = await office.webhook(`${peer.url}/ok`, eventType, { name: eventType });
  const page = await signedIn(browser, "#/webhooks");
  await page.getByRole("link", { name: eventType }).click();
  await page.getByRole("heading", { level: 1, name: eventType }).waitFor();
  assert.match(page.url(), new RegExp(hook.id));
  await page.finish();
});

test("an open circuit says since when, what opened it and how much is held", async () => {
  const { hook } = await office.openCircuit(`${peer.url}/status/503`);
  const page = await open(hook);
  const box = page.locator(".circuit");
  assert.match(await box.innerText(), /Circuit (half )?open.*since \d\d:\d\d:\d\d/i);
  assert.match(await box.innerText(), /\d+ of \d+ requests had failed/);
  assert.match(await box.innerText(), /Next probe (now|in )|Three successes close it/);
  assert.match(await page.locator('[data-number="success"]').innerText(), /0 %\s+of \d+ requests/);
  await office.until("what is held to show", async () => /held/i.test(await page.locator('[data-number="held"]').innerText()) && await page.locator('[data-number="held"] a').count());
  assert.match(await page.locator('[data-number="held"]').innerText(), /the circuit is open/);
  await box.getByRole("link", { name: /^dlv_/ }).first().click();
  await page.getByRole("heading", { level: 1, name: hook.eventTypes[0] }).waitFor();
  assert.match(await page.locator(".attempt").first().innerText(), /HTTP 503/);
  await page.goto(`${office.url}/#/webhooks`);
  await page.locator(`tr[data-id="${hook.id}"]`).getByText(/Circuit (half )?open/).waitFor();
  await page.getByText(/circuits? open/).last().waitFor();
  assert.match(await page.locator('[data-number="waiting"]').first().innerText(), /\d+ held/);
  await page.finish();
});

test("pause, resume and retry now tell their outcome", async () => {
  const eventType = office.unique("web.acts");
  const hook = await office.webhook(`${peer.url}/status/503`, eventType, { maxAttempts: 2, retrySchedule: [3600] });
  await office.event(eventType);
  await office.until("one waiting", async () => (await office.call("GET", `/v1/deliveries?eventType=${eventType}`)).data[0]?.attemptCount === 1);
  const page = await open(hook);
  await act(page, "Pause").click();
  await page.getByText("Paused: deliveries are held until it is resumed.").waitFor();
  await page.locator(".entry-title").getByText("Paused").waitFor();
  await act(page, "Resume").click();
  await page.getByText("Resumed: what was held goes out.").waitFor();
  await act(page, "Retry now").click();
  await page.getByText("1 delivery will be sent now.").waitFor();
  await page.locator('[data-number="dead"]').getByRole("link", { name: "1" }).waitFor();
  assert.ok(await stayed(page));
  await page.finish();
});

test("a ping is followed to its end, also when it waits first", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.ping"));
  const page = await open(hook);
  await act(page, "Ping").click();
  await page.getByText("The ping arrived.").waitFor();
  assert.match(await page.locator(".ping").innerText(), /HTTP 204 after [\d.]+ ms/);
  await office.call("POST", `/v1/webhooks/${hook.id}/pause`);
  await act(page, "Ping").click();
  await page.getByText("The ping waits.").waitFor();
  assert.match(await page.locator(".ping").innerText(), /Held because the webhook is paused/);
  await office.call("POST", `/v1/webhooks/${hook.id}/resume`);
  await page.getByText("The ping arrived.").waitFor();
  await page.locator(".ping").getByRole("link", { name: "Open the delivery" }).click();
  await page.getByRole("heading", { level: 1, name: "webhook.ping" }).waitFor();
  assert.ok(await stayed(page));
  await page.finish();
});

test("a ping that fails says how", async () => {
  const hook = await office.webhook(`${peer.url}/status/404`, office.unique("web.ping"));
  const page = await open(hook);
  await act(page, "Ping").click();
  await page.getByText("The ping did not arrive.").waitFor();
  assert.match(await page.locator(".ping").innerText(), /1 attempt, the last: HTTP 404/);
  await page.finish();
});

test("disabling asks first, enabling does not", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.off"));
  const page = await open(hook);
  await act(page, "Disable…").click();
  await page.keyboard.press("Escape");
  assert.equal((await stored(hook)).enabled, true);
  await act(page, "Disable…").click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await page.getByText("Disabled: nothing is sent, deliveries are held.").waitFor();
  assert.equal((await stored(hook)).enabled, false);
  await act(page, "Enable").click();
  await page.getByText("Enabled: what was held goes out.").waitFor();
  assert.equal((await stored(hook)).enabled, true);
  await page.finish();
});

test("a rotated secret is shown this once, and can be copied", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.rotate"));
  const page = await open(hook, { context: { permissions: ["clipboard-read", "clipboard-write"] } });
  await act(page, "Rotate secret…").click();
  await page.getByLabel("The old one signs along for").selectOption("3600");
  await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
  const dialog = page.getByRole("dialog", { name: "The new secret" });
  const secret = await dialog.locator("#new-secret").innerText();
  assert.match(secret, /^whsec_.{20,}/);
  assert.notEqual(secret, hook.secret);
  await dialog.getByRole("button", { name: "Copy secret" }).click();
  await office.until("the copy", async () => await page.evaluate(() => navigator.clipboard.readText()) === secret);
  await page.keyboard.press("Escape");
  assert.ok(await dialog.isVisible(), "Escape must not lose it");
  await dialog.getByRole("button", { name: "I have kept it" }).click();
  await page.getByText("Rotated: both secrets sign until the old one ends.").waitFor();
  assert.ok(!(await page.content()).includes(secret));
  assert.match(await page.locator('[data-setting="oldSecretValidUntil"]').innerText(), /\d{4}/);
  await page.finish();
});

test("settings read as sentences, and what is changed is what is sent", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.edit"), { name: "Before", retrySchedule: [5, 60, 3600], maxAttempts: 4 });
  const page = await open(hook);
  assert.match(await page.locator('[data-setting="retrySchedule"]').innerText(), /5 s, then 1 min, then 1 h/);
  await page.getByRole("button", { name: "Edit" }).click();
  assert.equal(await page.getByLabel("Retry after").inputValue(), "5s, 1m, 1h");
  await page.getByLabel("Name").fill("After");
  await page.getByLabel("Retry after").fill("30, 5m, 1h 30m");
  await page.getByLabel("Channels").fill("orders $dlq");
  await page.getByLabel("Rate (per second)").fill("0.5");
  await page.getByLabel("Payload schema").fill('{"type": "object"}');
  const sent = page.waitForRequest((request) => request.method() === "PATCH");
  await page.getByRole("form", { name: "Settings" }).getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved: name, channels, payloadSchema, retrySchedule, ratePerSecond.").waitFor();
  assert.equal((await sent).postData(), '{"name":"After","channels":["orders","$dlq"],"payloadSchema":{"type": "object"},"retrySchedule":[30,300,5400],"ratePerSecond":0.5}');
  await page.getByRole("heading", { level: 1, name: "After" }).waitFor();
  const now = await stored(hook);
  assert.deepEqual([now.retrySchedule, now.ratePerSecond, now.payloadSchema, now.maxAttempts], [[30, 300, 5400], 0.5, { type: "object" }, 4]);
  assert.match(await page.locator('[data-setting="channels"]').innerText(), /news of dead letters/);
  assert.ok(await stayed(page));
  await page.finish();
});

test("what the server refuses stands at its field, and so does what cannot be read", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.refused"));
  const page = await open(hook, { expect: [422] });
  await page.getByRole("button", { name: "Edit" }).click();
  const save = page.getByRole("form", { name: "Settings" }).getByRole("button", { name: "Save" });
  const refused = async (label, value, text) => {
    const input = page.getByLabel(label);
    const was = await input.inputValue();
    await input.fill(value);
    await save.click();
    await page.locator(".field", { has: page.locator(`#${await input.getAttribute("id")}`) }).getByText(text).waitFor();
    assert.equal(await input.getAttribute("aria-invalid"), "true");
    assert.equal(await input.evaluate((element) => document.activeElement === element), true);
    await input.fill(was);
  };
  await refused("URL", "ftp://example.org/", /must begin with https/);
  await refused("Attempts", "99", /between 1 and 20/);
  await refused("Event types", "order/paid", /such as order\.paid/);
  await refused("Channels", "$other", /there is only \$dlq/);
  await refused("Held at most", "400d", /must lie between|retention/);
  await refused("TLS authority (PEM)", "no PEM", /no PEM certificate/);
  await refused("Payload schema", '{"type": 1}', /type/);
  await refused("Payload schema", "{", /This is no JSON/);
  await refused("Retry after", "soon", /no duration/);
  await refused("At once", "many", /no number/);
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await stored(hook)).version, hook.version);
  await page.finish();
});

test("when somebody else saves first, the own changes stay and nothing of theirs is lost", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.race"), { name: "One" });
  const page = await open(hook, { expect: [412] });
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("At once").fill("7");
  await office.patch(`/v1/webhooks/${hook.id}`, { name: "Two" });
  const save = page.getByRole("form", { name: "Settings" }).getByRole("button", { name: "Save" });
  await save.click();
  await page.getByText("Somebody else changed this webhook meanwhile.").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "Two");
  await save.click();
  await page.getByText("Saved: maxConcurrency.").waitFor();
  const now = await stored(hook);
  assert.deepEqual([now.name, now.maxConcurrency], ["Two", 7]);
  await page.finish();
});

test("without webhooks:write everything is shown and nothing can be done", async () => {
  const hook = await office.webhook(`${peer.url}/ok`, office.unique("web.reader"));
  const page = await signedIn(browser, "#/entries");
  await page.route(/\/v1\/session$/, async (route) => {
    const answer = await (await route.fetch()).json();
    await route.fulfill({ json: { ...answer, projects: answer.projects.map((p) => ({ ...p, scopes: ["webhooks:read", "dlq:read"] })) } });
  });
  await page.goto("about:blank");
  await page.goto(`${office.url}/#/webhooks/${hook.id}`);
  await page.getByText("Your membership does not include changing webhooks (webhooks:write).").first().waitFor();
  for (const name of ["Ping", "Pause", "Disable…", "Rotate secret…", "Edit", "Try it"]) assert.ok(await page.getByRole("article").getByRole("button", { name }).isDisabled(), name);
  await page.finish();
});
