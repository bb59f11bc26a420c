import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { WireReadiness } from "@sluice/client";
import { freePort, startChild, temporaryFolder, type Child, type TemporaryFolder } from "@sluice/testing";

const script = fileURLToPath(new URL("./up.ts", import.meta.url));
const body = JSON.stringify({ action: "opened", repository: { full_name: "me/mine" }, sender: { login: "me" } });

interface Up extends Child {
  readonly url: string;
}

async function up(data: string, ...more: readonly string[]): Promise<Up> {
  const port = String(await freePort());
  const args = [script, "--data", data, "--port", port, "--gateways", "1", "--workers", "1", ...more];
  const child = await startChild({ command: process.execPath, args });
  await child.line(/^Sluice works on github$/);
  await child.line(/^Sluice listens on /);
  return { ...child, url: `http://127.0.0.1:${port}` };
}

async function stopped(child: Child, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
}

/** PostgreSQL's user has to get into it. */
async function openFolder(): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  return folder;
}

test("a cluster on one host works, stops when asked, and goes on with its data", async () => {
  await using folder = await openFolder();
  const data = join(folder.path, "cluster");
  await using first = await up(data);
  const answer = await fetch(`${first.url}/v1/queues/github/requests`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": "one", prefer: "wait=30" },
    body,
  });
  assert.equal(answer.status, 200, await answer.text());
  await stopped(first, "SIGTERM");

  await using second = await up(data);
  const { requests } = (await (await fetch(`${second.url}/v1/requests?queue=github&key=one`)).json()) as {
    requests: { id: string; state: string }[];
  };
  assert.deepEqual(
    requests.map(({ state }) => state),
    ["done"],
  );
  await stopped(second, "SIGINT");
});

test("on PostgreSQL alone it starts no other server, and the same data goes on with all three", async () => {
  await using folder = await openFolder();
  const data = join(folder.path, "cluster");
  await using first = await up(data, "--only-postgres");
  assert.equal((await sendUntilAccepted(first.url, "alone")).status, 200);
  const { carriers } = (await (await fetch(`${first.url}/readyz`)).json()) as Pick<WireReadiness, "carriers">;
  assert.deepEqual(carriers, { hints: "postgres", notices: "postgres" });
  await stopped(first, "SIGTERM");
  assert.doesNotMatch(first.output(), /RabbitMQ|Redis|AMQP_URL|REDIS_URL/);

  await using second = await up(data);
  assert.equal((await sendUntilAccepted(second.url, "with-both")).status, 200);
  assert.match(second.output(), /export AMQP_URL=amqp:.*\n *export REDIS_URL=redis:/);
  await stopped(second, "SIGTERM");
});

test("a server that is killed is started again, and requests go on", async () => {
  await using folder = await openFolder();
  await using child = await up(join(folder.path, "cluster"));
  for (const name of ["PostgreSQL", "RabbitMQ", "Redis"]) {
    const [, pid = ""] = await child.line(new RegExp(`^${name} is process (\\d+)$`));
    process.kill(Number(pid), "SIGKILL");
    await child.line(new RegExp(`${name} \\(process ${pid}\\) ended by itself \\(SIGKILL\\): it is started again$`));
    await child.line(new RegExp(`^${name} is process (?!${pid}$)\\d+$`));
    assert.equal((await sendUntilAccepted(child.url, name)).status, 200);
  }
  await stopped(child, "SIGTERM");
});

/** While PostgreSQL starts, intake is refused with 503. */
async function sendUntilAccepted(url: string, key: string): Promise<Response> {
  const headers = { "content-type": "application/json", "idempotency-key": key, prefer: "wait=30" };
  for (;;) {
    const answer = await fetch(`${url}/v1/queues/github/requests`, { method: "POST", headers, body });
    if (answer.status !== 503) return answer;
    await sleep(1_000 * Number(answer.headers.get("retry-after")));
  }
}

test("what does not start is told, and leaves nothing running", async () => {
  await using folder = await openFolder();
  const args = [script, "--data", join(folder.path, "cluster"), "--config", join(folder.path, "none.ts")];
  await using child = await startChild({ command: process.execPath, args });
  const { code } = await child.exited;
  assert.equal(code, 78, child.output());
  assert.match(child.output(), /none\.ts/);
});

test(
  "a folder that PostgreSQL cannot get into is told",
  { skip: process.getuid?.() !== 0 && "only root has this" },
  async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o700);
    const args = [script, "--data", join(folder.path, "cluster")];
    await using child = await startChild({ command: process.execPath, args });
    const { code } = await child.exited;
    assert.equal(code, 1);
    assert.match(child.output(), /postgres, who cannot reach .*cluster\/postgres: choose a folder/);
  },
);
