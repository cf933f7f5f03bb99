/** Starts the page: a session or the sign-in, then the shell. */
import * as api from "./api.js";
import * as clock from "./clock.js";
import * as directory from "./directory.js";
import { fill } from "./dom.js";
import { failure, loading } from "./notice.js";
import * as session from "./session.js";
import { Shell } from "./shell.js";
import * as keys from "./keys.js";
import * as theme from "./theme.js";
import { signIn } from "./views/sign_in.js";

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
/** @type {Shell|null} */
let shell = null;

function leave() {
  shell?.stop();
  shell = null;
  session.end();
  directory.forget();
}

function askToSignIn(why) {
  leave();
  signIn(app, why, enter);
}

function enter() {
  shell?.stop();
  directory.forget();
  shell = new Shell(app, { projectChanged: enter, signedOut: () => askToSignIn("") });
  shell.start();
}

async function start() {
  fill(app, loading("Loading…"));
  try {
    if (await session.resume()) enter();
    else askToSignIn("");
  } catch (problem) {
    fill(app, failure(problem, start));
  }
}

api.whenSignedOut(() => { if (shell) askToSignIn("Your session has ended. Sign in to go on where you were."); });
keys.start({ "?": keys.help, t: theme.toggle });
document.getElementById("skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // "#main" would be a route
  document.getElementById("main")?.focus();
});
clock.start();
start();
