// Runs what README.md shows, as it shows it: only the ports, the data folder and the ids are others.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { freePort, startChild, temporaryFolder, type Child } from "@sluice/testing";

const repository = path.resolve(import.meta.dirname, "..");
const blocks = [...readFileSync(path.join(repository, "README.md"), "utf8").matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ([, language = "", text = ""]) => ({ language, text: text.trim() }),
);
const manifest = JSON.parse(readFileSync(path.join(repository, "package.json"), "utf8")) as {
  scripts: { start: string };
};

test("the two commands are npm ci with npm start, and npm ci with npm test", () => {
  assert.equal(blockWith("npm start"), "npm ci && npm start");
  assert.equal(blockWith("npm test"), "npm ci && npm test");
});

test("npm start serves; the curl gets the answer shown, and its result can be read", async () => {
  await using folder = await temporaryFolder();
  const port = await freePort();
  await using _server = await startServer(`npm start -- --port ${port} --data ${folder.path}`);

  const receipt = await shellJson(onPort(blockWith("Idempotency-Key: delivery-1"), port));
  const shown = JSON.parse(blockWith('"durability"')) as Record<string, unknown>;
  assert.deepEqual(Object.keys(receipt), Object.keys(shown));
  const { id, acceptedAt, ...rest } = receipt;
  assert.deepEqual(rest, { queue: "github", state: "waiting", durability: "fsync", expectedBy: shown["expectedBy"] });
  assert.match(String(id), /^[0-9a-f-]{36}$/);
  assert.equal(new Date(String(acceptedAt)).toISOString(), acceptedAt);

  await finished(`http://127.0.0.1:${port}`, String(id));
  const result = await shellJson(onPort(blockWith("/result"), port).replace(String(shown["id"]), String(id)));
  assert.deepEqual(result, JSON.parse(blockWith('"repository": "me/mine"')));

  const audit = await shell(blockWith("sluice audit"), { SLUICE_URL: `http://127.0.0.1:${port}` });
  assert.equal(audit.trim(), blockWith("The law holds"));
});

test("without a configuration file, requests are posted to the target", async () => {
  await using folder = await temporaryFolder();
  await using target = await startTarget();
  const port = await freePort();
  const command = onPort(blockWith("sluice up --port"), port)
    .replace("./data", folder.path)
    .replace("127.0.0.1:9000", `127.0.0.1:${target.port}`);
  await using _server = await startServer(command);

  const answer = await submitAndWait(`http://127.0.0.1:${port}`, { sku: 7 });
  assert.equal(await answer.text(), 'POST /process {"sku":7}');
});

test("the one command puts Sluice in front of a service, whose calls and reads go on as before", async () => {
  await using folder = await temporaryFolder();
  await using target = await startTarget();
  const frontPort = await freePort();
  const command = blockWith("--front 8081")
    .replace("--front 8081", `--front ${frontPort} --port 0 --data ${folder.path}`)
    .replace("127.0.0.1:9000", `127.0.0.1:${target.port}`);
  await using _server = await startServer(command);

  const front = `http://127.0.0.1:${frontPort}`;
  const call = { method: "PUT", body: '{"sku":7}', headers: { prefer: "wait=20", "content-type": "application/json" } };
  const answer = await fetch(`${front}/orders/7?x=1`, call);
  assert.equal(await answer.text(), 'PUT /orders/7?x=1 {"sku":7}');
  assert.equal(await (await fetch(`${front}/orders/7`)).text(), "GET /orders/7 ");
});

test("the handler shown runs, and the client shown reads its result", async () => {
  await using folder = await temporaryFolder();
  await symlink(path.join(repository, "node_modules"), path.join(folder.path, "node_modules"));
  await writeFile(path.join(folder.path, "sluice.config.ts"), blockWith("defineConfig"));
  await using server = await startServer("npx sluice up --port 0", folder.path);

  const client = path.join(folder.path, "client.mts");
  await writeFile(client, blockWith("createClient").replace("http://127.0.0.1:8080", server.url));
  assert.equal(await shell(`${process.execPath} ${client}`), "{ total: 12 }\n");

  const rejected = await submitAndWait(server.url, { sku: 7, quantity: 0 });
  assert.equal(rejected.status, 502);
  assert.match(await rejected.text(), /quantity must be above zero, got 0/);
});

function blockWith(text: string): string {
  const found = blocks.filter((block) => block.text.includes(text));
  assert.equal(found.length, 1, `README.md has ${found.length} fenced blocks with "${text}"`);
  return found[0]?.text ?? "";
}

function onPort(command: string, port: number): string {
  return command.replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`).replace("--port 8080", `--port ${port}`);
}

/** As npm sets it, of a user who has set nothing of Sluice's. */
const userEnv = {
  PATH: `${path.join(repository, "node_modules/.bin")}:${process.env["PATH"]}`,
  PORT: undefined,
  HOST: undefined,
  SLUICE_DATA: undefined,
  SLUICE_URL: undefined,
};

/**
 * Starts what `npm start` and `npx` would start, in place of the shell and without npm in between: npm hands no signal
 * on to what it runs. Resolves once it serves.
 */
async function startServer(shown: string, cwd = repository): Promise<Child & { readonly url: string }> {
  const command = shown.replace(/^npm start --/, manifest.scripts.start).replace(/^npx /, "");
  const child = await startChild({ command: "sh", args: ["-c", `exec ${command}`], cwd, env: userEnv });
  const [, url = ""] = await child.line(/^Sluice listens on (http:\S+)/);
  return { ...child, url };
}

async function shell(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const options = { cwd: repository, env: { ...process.env, ...userEnv, ...env } };
  const { stdout } = await promisify(execFile)("sh", ["-c", command], options);
  return stdout;
}

async function shellJson(command: string): Promise<Record<string, unknown>> {
  return JSON.parse(await shell(command)) as Record<string, unknown>;
}

async function finished(url: string, id: string): Promise<void> {
  const answer = await fetch(`${url}/v1/requests/${id}`, { headers: { prefer: "wait=30" } });
  assert.equal(((await answer.json()) as { state: string }).state, "done");
}

function submitAndWait(url: string, body: unknown): Promise<Response> {
  return fetch(`${url}/v1/queues/orders/requests`, {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "wait=30" },
    body: JSON.stringify(body),
  });
}

/** A service that answers with what it was sent. */
async function startTarget(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "text/plain").write(`${request.method} ${request.url} `);
    request.pipe(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await promisify(server.close.bind(server))();
    },
  };
}
