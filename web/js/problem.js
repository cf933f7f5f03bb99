/**
 * Problem: a call that failed, as a sentence somebody can act on. The server's own detail is used where it has one;
 * this table is for what the server cannot say, or says to programs.
 */

const sentences = {
  "sign-in-failed": "The login or the password is wrong.",
  unauthenticated: "Your session has ended. Sign in again.",
  csrf: "This page is older than your session. Reload it and try again.",
  forbidden: "Your membership does not allow this.",
  "project-forbidden": "You do not belong to this project any more.",
  "project-required": "Choose a project first.",
  "not-found": "This does not exist, or not any more.",
  expired: "This dead letter is past its retention. It can no longer be seen or replayed.",
  "not-open": "Somebody was faster: this dead letter is not open any more.",
  "not-discarded": "Somebody was faster: this dead letter is not discarded any more.",
  "webhook-deleted": "The webhook was deleted, so there is nowhere to send it.",
  "endpoint-disabled": "The webhook is disabled. Enable it first.",
  "payload-expired": "The payload is past its retention.",
  "version-mismatch": "Somebody else has changed it meanwhile. Load it again.",
  "transforms-unavailable": "No sender that is running can run transforms: they are run walled in or not at all, and the wall (seccomp) cannot be set up there. The worker's log says why.",
  "cursor-filter-mismatch": "The list has changed its filters. Load it again.",
  "bad-cursor": "The list cannot be continued from here. Load it again.",
};

const byStatus = {
  0: "The server cannot be reached. Is it running, and are you online?",
  429: "Too many requests at once.",
  500: "The server failed at this. Its log has the request id.",
  502: "The web server runs, but the application behind it does not answer.",
  503: "The database is away. What was accepted is safe; try again shortly.",
  504: "The application took too long to answer.",
};

export class Problem extends Error {
  /** @param {number} status 0: no answer at all @param {Record<string, any>} body the problem+json, or {} @param {string} requestId */
  constructor(status, body, requestId) {
    super(sentence(status, body));
    this.status = status;
    this.code = String(body.code ?? "");
    this.requestId = String(body.requestId ?? requestId ?? "");
    this.fields = Array.isArray(body.errors) ? body.errors : [];
  }

  /** Whether asking again, unchanged, may help. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

function sentence(status, body) {
  const base = sentences[body.code] ?? byStatus[status] ?? body.detail ?? body.title ?? `The server answered ${status}.`;
  const scope = body.requiredScope ? ` It needs the permission ${body.requiredScope}.` : "";
  const own = !sentences[body.code] && byStatus[status] && status === 429 && body.detail ? ` ${body.detail}` : "";
  const fields = Array.isArray(body.errors) && !sentences[body.code] ? body.errors.map((e) => e.detail).filter(Boolean).join(" ") : "";
  return `${base}${own}${scope}${fields && fields !== base ? ` ${fields}` : ""}`;
}
