/** The receiver that misbehaves (build/peer), one for each test file, on a port of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = process.env.PEER ?? fileURLToPath(new URL("../../../build/peer", import.meta.url));

/** @returns {Promise<{url: string, up: (name: string) => Promise<void>, stop: () => void}>} */
export async function start() {
  const child = spawn(program, ["--listen", "127.0.0.1:0", "--until-eof"], { stdio: ["pipe", "pipe", "inherit"] });
  const url = await listening(child);
  return {
    url,
    async up(name) {
      const answer = await fetch(`${url}/_control/up?name=${name}`, { method: "POST" });
      if (!answer.ok) throw new Error(`the peer answered ${answer.status}`);
    },
    stop: () => child.kill(),
  };
}

function listening(child) {
  return new Promise((resolve, reject) => {
    let said = "";
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the peer ended (${code}) before it listened: ${said}`)));
    child.stdout.on("data", (chunk) => {
      said += chunk;
      const port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port) resolve(`http://127.0.0.1:${port}`);
    });
  });
}
