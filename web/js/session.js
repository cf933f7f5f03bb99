/** The session: who is signed in, which project is looked at, what that membership may do. */
import * as api from "./api.js";
import * as preferences from "./preferences.js";

/** @typedef {{id: string, name: string, plan: string, scopes: string[]}} Project */
/** @type {{user: {id: string, login: string}, projects: Project[], csrfToken: string, expiresAt: string}|null} */
let session = null;
/** @type {Project|null} */
let project = null;

function take(answer) {
  session = answer;
  const wanted = preferences.get("project", "");
  project = answer.projects.find((p) => p.id === wanted) ?? answer.projects[0] ?? null;
  api.identify({ csrf: answer.csrfToken, project: project && answer.projects.length > 1 ? project.id : "" });
}

/** Finds the session the cookie stands for. @returns {Promise<boolean>} whether there is one */
export async function resume() {
  try {
    take(await api.get("/v1/session"));
    return true;
  } catch (error) {
    if (error.status === 401) return false;
    throw error;
  }
}

/** @param {string} login @param {string} password */
export async function signIn(login, password) {
  take(await api.post("/v1/session", { login, password }));
}

export async function signOut() {
  await api.call("DELETE", "/v1/session");
  end();
}

/** Forgets the session without a word to the server. */
export function end() {
  session = null;
  project = null;
  api.identify({ csrf: "", project: "" });
}

export const user = () => session?.user ?? null;
export const projects = () => session?.projects ?? [];
export const currentProject = () => project;

/** @param {string} id */
export function chooseProject(id) {
  preferences.set("project", id);
  if (session) take(session);
}

/** @param {string} scope @returns {boolean} whether the membership in the project at hand has it */
export function may(scope) {
  return Boolean(project && (project.scopes.includes("admin") || project.scopes.includes(scope)));
}
