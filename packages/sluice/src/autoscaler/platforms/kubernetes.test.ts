// Against a server of ours that speaks what Kubernetes documents of the scale subresource, with its errors; and against
// a real API server when SLUICE_TEST_DEPLOYMENT names a Deployment of the cluster that KUBECONFIG leads to.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { testPlatform, type PlatformRig } from "../platform-contract.ts";
import { namespaceOf, openKubernetes, type KubernetesTarget } from "./kubernetes.ts";

interface ApiServer extends PlatformRig {
  replicas: number;
  resourceVersion: number;
  /** Answers everything with this status, if set. */
  failure: number | undefined;
  readonly asked: string[];
}

const token = "opaque";

async function openApiServer(kind: KubernetesTarget["kind"], timeoutMs?: number): Promise<ApiServer> {
  const folder = await temporaryFolder();
  const server = createServer((request, response) => {
    void respond(api, request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const kubeconfig = join(folder.path, "config");
  await writeFile(kubeconfig, kubeconfigFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  const api: ApiServer = {
    platform: await openKubernetes({ kind, name: "worker", kubeconfig, timeoutMs }),
    replicas: 1,
    resourceVersion: 4711,
    failure: undefined,
    asked: [],
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await api.platform[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return api;
}

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "shop" } }],
    "current-context": "x",
  });
}

interface Scale {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly resourceVersion?: string };
  readonly spec: { readonly replicas: number };
}

async function respond(api: ApiServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, body } = await answer(api, request);
  if (status === 0) return; // it hangs
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function answer(api: ApiServer, request: IncomingMessage): Promise<{ status: number; body: object }> {
  api.asked.push(`${request.method} ${request.url}`);
  const isPut = request.method === "PUT";
  const asked = isPut ? ((await json(request)) as Scale) : undefined;
  if (request.headers.authorization !== `Bearer ${token}`) return failure(401);
  if (api.failure !== undefined) return failure(api.failure);
  if (!/^\/apis\/apps\/v1\/namespaces\/shop\/(deployments|statefulsets)\/worker\/scale$/.test(request.url ?? ""))
    return failure(404);
  if (asked !== undefined) {
    if (asked.kind !== "Scale" || asked.apiVersion !== "autoscaling/v1") return failure(400);
    if (asked.metadata.resourceVersion !== String(api.resourceVersion)) return failure(409);
    api.replicas = asked.spec.replicas;
    api.resourceVersion += 1;
  }
  const metadata = { name: "worker", namespace: "shop", resourceVersion: String(api.resourceVersion) };
  const { replicas } = api;
  const body = { kind: "Scale", apiVersion: "autoscaling/v1", metadata, spec: { replicas }, status: { replicas } };
  return { status: 200, body };
}

function failure(code: number): { status: number; body: object } {
  return { status: code, body: { kind: "Status", apiVersion: "v1", status: "Failure", code, message: `told ${code}` } };
}

for (const kind of ["deployment", "statefulset"] as const)
  testPlatform(`kubernetes, with a ${kind}`, () => openApiServer(kind));

test("nothing but the scale subresource is asked for, in the context's namespace", async () => {
  await using api = await openApiServer("statefulset");
  const { version } = await api.platform.replicas();
  await api.platform.scaleTo(2, version);
  const path = "/apis/apps/v1/namespaces/shop/statefulsets/worker/scale";
  assert.deepEqual(api.asked, [`GET ${path}`, `PUT ${path}`]);
});

test("a change that somebody makes between reading and scaling is not written over", async () => {
  await using api = await openApiServer("deployment");
  const { version } = await api.platform.replicas();
  api.replicas = 7;
  api.resourceVersion += 1;
  assert.equal(await api.platform.scaleTo(2, version), "conflict");
  assert.equal(api.replicas, 7);
});

for (const [status, code, message] of [
  [401, "bad-config", /does not know this account/],
  [403, "bad-config", /does not let this account get and update the scale of deployment shop\/worker/],
  [404, "bad-config", /has no deployment shop\/worker/],
  [410, "unreachable", /cannot be used now: 410/],
  [429, "unreachable", /cannot be used now: 429/],
  [500, "unreachable", /cannot be used now: 500/],
  [503, "unreachable", /cannot be used now: 503/],
  [0, "unreachable", /cannot be used now: .*(timeout|aborted)/i],
] as const)
  test(`${status === 0 ? "no answer" : status} is told as ${code}, of reading and of scaling`, async () => {
    await using api = await openApiServer("deployment", 500);
    api.failure = status;
    await assert.rejects(api.platform.replicas(), { code, message });
    await assert.rejects(api.platform.scaleTo(2, "4711"), { code, message });
  });

test("a server that is not there is unreachable; a kubeconfig that is not there is refused", async () => {
  const api = await openApiServer("deployment");
  await api[Symbol.asyncDispose]();
  await assert.rejects(api.platform.replicas(), { code: "unreachable" });
  const options = { kind: "deployment", name: "worker", kubeconfig: "/nowhere/config" } as const;
  await assert.rejects(openKubernetes(options), { code: "bad-config" });
});

const real = process.env["SLUICE_TEST_DEPLOYMENT"];
if (process.env["KUBECONFIG"] !== undefined && real !== undefined) {
  testPlatform("kubernetes, a real one", async () => {
    const platform = await openKubernetes({ kind: "deployment", name: real });
    return { platform, [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose]() };
  });
} else {
  test("the platform kubernetes, a real one", { skip: "needs KUBECONFIG and SLUICE_TEST_DEPLOYMENT" }, () => {});
}

test("the namespace is that of the context where none is given: what leads it is named by it", async () => {
  await using folder = await temporaryFolder();
  const kubeconfig = join(folder.path, "config");
  await writeFile(kubeconfig, kubeconfigFor("http://127.0.0.1:9"));
  const target = { kind: "deployment", name: "worker", kubeconfig } as const;
  assert.equal(await namespaceOf(target), "shop");
  assert.equal(await namespaceOf({ ...target, namespace: "other" }), "other");
});
