/**
 * Chromium without a window, and pages that watch themselves: a console error, an exception or a violation of the
 * content security policy fails the test that opened the page.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import * as office from "./office.mjs";

const candidates = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/snap/bin/chromium"];

export function launch() {
  const executablePath = candidates.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("chromium is not installed");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync", "--disable-background-networking", "--no-first-run"] });
}

/** What a browser logs for every answer of 400 and above; the tests that provoke one say so. */
const statusLine = /Failed to load resource: the server responded with a status of (\d+)/;

/**
 * @param {import("playwright-core").Browser} browser
 * @param {{width?: number, height?: number, dark?: boolean, expect?: number[], context?: object}} [options] expect: statuses that may be logged
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 900 }, colorScheme: options.dark ? "dark" : "light",
    reducedMotion: "reduce", acceptDownloads: true, ...options.context,
  });
  const page = await context.newPage();
  const faults = [];
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("console", (message) => {
    const status = Number(statusLine.exec(message.text())?.[1]);
    if (["error", "warning"].includes(message.type()) && !(options.expect ?? []).includes(status)) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.setDefaultTimeout(30_000);
  return Object.assign(page, {
    faults,
    /** Ends the page; whatever went wrong in it fails the test. */
    async finish() {
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await context.close();
      assert.deepEqual(faults, []);
    },
  });
}

/** What a sign-in left behind: one is enough for a file, because each costs the server a fifth of a second. */
let state;

/** Signs in by hand, as everybody must at first. */
export async function signIn(page) {
  await page.getByLabel("Login").fill(office.login);
  await page.getByLabel("Password").fill(office.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("header.header").waitFor();
}

/** A page that is signed in, at the hash. `fresh`: with a session of its own, which it may end. */
export async function signedIn(browser, hash = "#/entries", { fresh = false, ...options } = {}) {
  const storageState = fresh ? undefined : state;
  const page = await open(browser, { ...options, expect: [401, ...(options.expect ?? [])], context: { storageState, ...options.context } });
  await page.goto(`${office.url}/${hash}`);
  if (!storageState) await signIn(page);
  if (!fresh) state ??= { cookies: await page.context().cookies(), origins: [] };
  await page.locator("header.header").waitFor();
  return page;
}
