/** Signing in and out, and what happens when a session ends underneath. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, signedIn, signIn } from "./lib/browser.mjs";
import * as office from "./lib/office.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

test("a wrong password is said in words and keeps the login", async () => {
  const page = await open(browser, { expect: [401] });
  await page.goto(office.url);
  await page.getByLabel("Login").fill(office.login);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("The login or the password is wrong.").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /Request [0-9a-f-]{36}/);
  assert.equal(await page.getByLabel("Login").inputValue(), office.login);
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  await page.finish();
});

test("the right password enters, a reload stays in, signing out leaves", async () => {
  const page = await signedIn(browser, "#/entries", { fresh: true });
  await page.getByRole("heading", { level: 1, name: "Dead letters" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Dead letters" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Login").waitFor();
  await page.reload();
  await page.getByLabel("Login").waitFor();
  await page.finish();
});

test("a session that ends leads to the sign-in and back to where one was", async () => {
  const page = await signedIn(browser, "#/webhooks");
  await page.context().clearCookies();
  await page.getByRole("link", { name: "Dead letters", exact: true }).click();
  await page.getByText("Your session has ended. Sign in to go on where you were.").waitFor();
  await signIn(page);
  await page.getByRole("heading", { level: 1, name: "Dead letters" }).waitFor();
  await page.finish();
});

test("the page carries the strict policy and the cookie is out of scripts' reach", async () => {
  const page = await signedIn(browser);
  const response = await page.request.get(office.url);
  const policy = response.headers()["content-security-policy"];
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
    assert.ok(policy.includes(part), part);
  }
  assert.equal(await page.evaluate(() => document.cookie), "");
  const [cookie] = await page.context().cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  await page.finish();
});

test("with several projects one is chosen, named in each request, and remembered", async () => {
  const page = await signedIn(browser, "#/entries", { expect: [403] }); // the other project is made up
  const asked = [];
  await page.route("**/v1/session", async (route) => {
    const answer = await route.fetch();
    const session = await answer.json();
    session.projects.push({ ...session.projects[0], id: "prj_00000000000000000000000001", name: "Another" });
    await route.fulfill({ response: answer, json: session });
  });
  await page.route("**/v1/overview", async (route) => {
    const headers = { ...route.request().headers() };
    asked.push(headers["dlo-project"]);
    delete headers["dlo-project"];
    await route.fulfill({ response: await route.fetch({ headers }) });
  });
  await page.route(/\/v1\/(dlq|webhooks)/, (route) => route.fulfill({ json: { data: [], nextCursor: null, total: 0, totalRelation: "eq" } }));
  await page.reload();
  await page.getByLabel("Project").selectOption("Another");
  await page.getByRole("heading", { name: "No open dead letters." }).waitFor();
  await office.until("a request for the other project", () => asked.at(-1) === "prj_00000000000000000000000001");
  await page.reload();
  await office.until("the choice after a reload", async () => (await page.getByLabel("Project").inputValue()) === "prj_00000000000000000000000001");
  await page.finish();
});
