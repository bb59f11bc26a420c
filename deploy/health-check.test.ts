import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, makeAuthority, startChild, temporaryFolder } from "@sluice/testing";

const script = fileURLToPath(new URL("./health-check.ts", import.meta.url));

/** Its exit code, in a container whose first process was started like this. */
async function check(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<number> {
  await using folder = await temporaryFolder();
  const commandLine = join(folder.path, "cmdline");
  await writeFile(commandLine, [...args, ""].join("\0"));
  await using child = await startChild({ command: process.execPath, args: [script, commandLine], env });
  return (await child.exited).code ?? 1;
}

async function openServer(status: number): Promise<{ readonly port: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/livez" ? status : 404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const port = String((server.address() as AddressInfo).port);
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

const start = ["node", "--max-semi-space-size=16", "/usr/local/bin/sluice"];

test("a gateway is healthy as long as it answers where its flag or the environment says", async () => {
  await using server = await openServer(200);
  const { port } = server;
  assert.equal(await check([...start, "gateway", "--port", port]), 0);
  assert.equal(await check([...start, "gateway", `--port=${port}`, "--replicas", "2"]), 0);
  assert.equal(await check(["/sbin/docker-init", "--", "sluice", "up", "--data", "/data"], { PORT: port }), 0);
});

test("a gateway that speaks TLS is asked over TLS", async () => {
  await using folder = await temporaryFolder();
  const { cert, key } = makeAuthority(folder.path).issue();
  const server = createSecureServer({ cert: await readFile(cert), key: await readFile(key) }, (_request, response) =>
    response.end(),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const port = String((server.address() as AddressInfo).port);
  assert.equal(await check([...start, "gateway", "--port", port, "--tls-cert", cert]), 0);
  assert.equal(await check([...start, "gateway", "--port", port], { SLUICE_TLS_CERT_FILE: cert }), 0);
  assert.equal(await check([...start, "gateway", "--port", port]), 1);
  server.close();
});

test("a gateway that answers with an error, or not at all, is not healthy", async () => {
  await using server = await openServer(500);
  assert.equal(await check([...start, "gateway", "--port", server.port]), 1);
  assert.equal(await check([...start, "gateway", "--port", String(await freePort())]), 1);
});

test("a worker, an autoscaler and a migration are healthy while they run", async () => {
  const env = { PORT: String(await freePort()) };
  for (const args of [["worker"], ["autoscale", "--platform", "swarm"], ["migrate"]])
    assert.equal(await check([...start, ...args], env), 0);
});
