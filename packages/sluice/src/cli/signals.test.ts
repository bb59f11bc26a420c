// What the operating system and its terminal do to a server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { watch } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { sluiceCommand, startChild, temporaryFolder, type Child } from "@sluice/testing";

const started = /Sluice listens on (http:\/\/[\d.:]+)/;

interface Start {
  readonly dataFolder: string;
  /** Around the command, as `ulimit -n 80;` */
  readonly shell: (command: string) => readonly [string, readonly string[]];
  readonly logFormat?: "json" | "auto";
  /** The target's. */
  readonly port?: number;
}

async function startUp({
  dataFolder,
  shell,
  logFormat = "json",
  port = 9,
}: Start): Promise<{ readonly child: Child; readonly url: string }> {
  const flags = `up --port 0 --data ${dataFolder} --queue orders --target http://127.0.0.1:${port}/ --log-format ${logFormat}`;
  const [command, args] = shell(`exec "${process.execPath}" "${sluiceCommand}" ${flags}`);
  const child = await startChild({ command, args, env: { SLUICE_LINGER: "60s" } });
  const [, url = ""] = await child.line(started);
  return { child, url };
}

test("a gateway out of file descriptors says so, in its log and in /readyz, until there are some again", async () => {
  await using folder = await temporaryFolder();
  const shell = (command: string) => ["sh", ["-c", `ulimit -n 100; ${command}`]] as const;
  const { child, url } = await startUp({ dataFolder: folder.path, shell });
  await using _child = child;
  const { port } = new URL(url);
  const asking = connect(Number(port), "127.0.0.1");
  assert.match(await readiness(asking), /"ready":true/);
  const idle = Array.from({ length: 120 }, () => connect(Number(port), "127.0.0.1").on("error", () => {}));
  await child.line(/"code":"out-of-descriptors".*new connections are dropped/);
  assert.match(await readiness(asking), /^HTTP\/1\.1 503 [^]*"out-of-descriptors"/);
  for (const socket of idle) socket.destroy();
  await child.line(/there are file descriptors again/);
  assert.match(await readiness(asking), /"ready":true/);
  asking.destroy();
});

test("attempts for which no file descriptors are left wait, use up nothing, and are done", async (t) => {
  await using folder = await temporaryFolder();
  const target = createServer((_, response) => void setTimeout(() => response.end("ok"), 300)).listen(0, "127.0.0.1");
  t.after(() => target.close().closeAllConnections());
  await once(target, "listening");
  const { port } = target.address() as AddressInfo;
  const shell = (command: string) => ["sh", ["-c", `ulimit -n 52; ${command}`]] as const;
  const { child, url } = await startUp({ dataFolder: folder.path, shell, port });
  await using _child = child;
  const lines = Array.from({ length: 50 }, (_, n) => JSON.stringify({ body: n }));
  const headers = { "content-type": "application/x-ndjson" };
  const sent = await fetch(`${url}/v1/queues/orders/batches`, { method: "POST", headers, body: lines.join("\n") });
  const { receipts } = (await sent.json()) as { readonly receipts: readonly { readonly id: string }[] };
  await child.line(/EMFILE.*LimitNOFILE.*deliveries pause/);
  for (const { id } of receipts) {
    const { state, attempts } = await endOf(`${url}/v1/requests/${id}`);
    assert.deepEqual({ state, attempts }, { state: "done", attempts: 1 });
  }
});

/** Now and then there is no descriptor for the one who asks, either. */
async function endOf(url: string): Promise<{ readonly state: string; readonly attempts: number }> {
  const headers = { prefer: "wait=30" };
  const answer = await fetch(url, { headers }).catch(() => undefined);
  return answer === undefined ? endOf(url) : ((await answer.json()) as Awaited<ReturnType<typeof endOf>>);
}

test("closing the terminal stops a server gracefully, without lingering", { timeout: 50_000 }, async () => {
  await using folder = await temporaryFolder();
  // script gives it a terminal, which closes when script is killed.
  const shell = (command: string) => ["script", ["-qfc", command, "/dev/null"]] as const;
  const { child: terminal } = await startUp({ dataFolder: folder.path, shell, logFormat: "auto" });
  await using _terminal = terminal;
  const mark = join(folder.path, "owner.json"); // a server that is killed leaves it
  assert.ok(existsSync(mark));
  const changes = watch(folder.path, { signal: AbortSignal.timeout(40_000) });
  terminal.kill("SIGKILL");
  for await (const _change of changes) if (!existsSync(mark)) break;
});

async function readiness(socket: Socket): Promise<string> {
  socket.write("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString();
}
