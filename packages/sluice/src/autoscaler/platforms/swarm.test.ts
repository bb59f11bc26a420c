// Against a server of ours that speaks what the Docker Engine documents of services: inspection, and an update that is
// refused when its version is not the last one.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import { testPlatform, type PlatformRig } from "../platform-contract.ts";
import { openSwarm } from "./swarm.ts";

interface Docker extends PlatformRig {
  /** What the service is specified as now. */
  spec: { Mode: object; [more: string]: unknown };
  index: number;
  /** Answers everything with this, if set. */
  failure: { readonly status: number; readonly message: string } | undefined;
  readonly asked: string[];
}

const task = { ContainerSpec: { Image: "sluice:1", StopGracePeriod: 40_000_000_000 }, ForceUpdate: 3 };

async function openDocker(): Promise<Docker> {
  const server = createServer((request, response) => {
    void respond(docker, request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const dockerHost = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const docker: Docker = {
    platform: await openSwarm({ service: "sluice_worker", dockerHost }),
    spec: { Name: "sluice_worker", Labels: { a: "b" }, TaskTemplate: task, Mode: { Replicated: { Replicas: 1 } } },
    index: 17,
    failure: undefined,
    asked: [],
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await docker.platform[Symbol.asyncDispose]();
    },
  };
  return docker;
}

async function respond(docker: Docker, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, body } = await answer(docker, request);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function answer(docker: Docker, request: IncomingMessage): Promise<{ status: number; body: object }> {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://docker");
  docker.asked.push(`${request.method} ${pathname}`);
  if (docker.failure !== undefined) return { status: docker.failure.status, body: { message: docker.failure.message } };
  if (request.method === "GET" && pathname === "/services/sluice_worker")
    return { status: 200, body: { ID: "s1", Version: { Index: docker.index }, Spec: docker.spec } };
  if (request.method === "POST" && pathname === "/services/sluice_worker/update") {
    const spec = (await json(request)) as Docker["spec"];
    if (Number(searchParams.get("version")) !== docker.index)
      return { status: 500, body: { message: "rpc error: code = Unknown desc = update out of sequence" } };
    docker.spec = spec;
    docker.index += 1;
    return { status: 200, body: {} };
  }
  return { status: 404, body: { message: "service sluice_worker not found" } };
}

testPlatform("swarm", openDocker);

test("of a service nothing but the number of its replicas is changed", async () => {
  await using docker = await openDocker();
  const { version } = await docker.platform.replicas();
  await docker.platform.scaleTo(4, version);
  assert.deepEqual(docker.spec, {
    Name: "sluice_worker",
    Labels: { a: "b" },
    TaskTemplate: task,
    Mode: { Replicated: { Replicas: 4 } },
  });
});

test("an update that somebody makes between reading and scaling is not written over", async () => {
  await using docker = await openDocker();
  const { version } = await docker.platform.replicas();
  docker.spec = { ...docker.spec, Labels: { a: "new" } };
  docker.index += 1;
  assert.equal(await docker.platform.scaleTo(4, version), "conflict");
  assert.deepEqual(docker.spec["Labels"], { a: "new" });
});

for (const { status, message, code } of [
  { status: 404, message: "service sluice_worker not found", code: "bad-config" },
  { status: 403, message: "authorization denied", code: "bad-config" },
  { status: 500, message: "context deadline exceeded", code: "unreachable" },
  { status: 503, message: "This node is not a swarm manager.", code: "unreachable" },
])
  test(`Docker's ${status} is told as ${code}, with its words`, async () => {
    await using docker = await openDocker();
    docker.failure = { status, message };
    const expected = { code, message: new RegExp(message) };
    await assert.rejects(docker.platform.replicas(), expected);
    await assert.rejects(docker.platform.scaleTo(2, "17"), expected);
  });

test("a global service is refused", async () => {
  await using docker = await openDocker();
  docker.spec = { ...docker.spec, Mode: { Global: {} } };
  await assert.rejects(docker.platform.replicas(), { code: "bad-config", message: /must be a replicated one/ });
});

test("a Docker that is not there is unreachable; an address that is none is refused", async () => {
  const platform = await openSwarm({ service: "x", dockerHost: "unix:///nowhere/docker.sock" });
  await assert.rejects(platform.replicas(), { code: "unreachable" });
  await assert.rejects(openSwarm({ service: "x", dockerHost: "docker" }), { code: "bad-config" });
});
