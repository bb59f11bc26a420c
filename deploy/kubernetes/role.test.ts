// The autoscaler's Role against what its code asks of an API server, not against what somebody thinks that it asks.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { openKubernetes } from "../../packages/sluice/src/autoscaler/platforms/kubernetes.ts";
import { named, ofKind, workloadsOf } from "../checks/objects.ts";
import { textsAt, treesAt, type Tree } from "../checks/tree.ts";
import { build } from "./build.ts";

const verbs: Readonly<Record<string, string>> = {
  GET: "get",
  PUT: "update",
  PATCH: "patch",
  POST: "create",
  DELETE: "delete",
};
let objects: readonly Tree[];
let asked: readonly string[];

before(async () => {
  objects = build("autoscaler");
  asked = [...new Set(await callsOf(deploymentNamed(objects)))].toSorted();
});

test("the Role allows what the autoscaler calls, and nothing else", () => {
  assert.deepEqual(asked, ["get apps deployments/scale sluice-worker", "update apps deployments/scale sluice-worker"]);
  assert.deepEqual(allowedIn(objects), asked);
});

test("nobody else has a right on the cluster", () => {
  const bound = textsAt(ofKind(objects, "RoleBinding"), "subjects", "name");
  assert.deepEqual(bound, ["sluice-autoscaler"]);
  assert.deepEqual(ofKind(objects, "ClusterRoleBinding"), []);
  const shown = workloadsOf(objects).filter(({ spec }) => spec["automountServiceAccountToken"] !== false);
  assert.deepEqual(
    shown.map(({ name }) => name),
    ["sluice-autoscaler"],
  );
});

const wider: Readonly<Record<string, Tree>> = {
  "one verb more": { verbs: ["get", "update", "patch"] },
  "any verb": { verbs: ["*"] },
  "any name": { resourceNames: undefined },
  "one name more": { resourceNames: ["sluice-worker", "other"] },
  "the Deployment itself": { resources: ["deployments/scale", "deployments"] },
  "any group": { apiGroups: ["*"] },
};

for (const [what, change] of Object.entries(wider)) {
  test(`a Role that allows ${what} is found out`, () => {
    const [rule] = treesAt(named(objects, "Role", "sluice-autoscaler"), "rules");
    const changed = { kind: "Role", rules: [{ ...rule, ...change }] };
    assert.notDeepEqual(allowedIn([changed]), asked);
  });
}

function deploymentNamed(built: readonly Tree[]): string {
  const args = textsAt(workloadsOf(built).find(({ name }) => name === "sluice-autoscaler")?.containers, "args");
  return args[args.indexOf("--deployment") + 1] ?? "";
}

/** Each thing allowed: verb, group, resource, name. */
function allowedIn(built: readonly Tree[]): readonly string[] {
  return treesAt(ofKind(built, "Role"), "rules")
    .flatMap((rule) => {
      const names = textsAt(rule, "resourceNames");
      return textsAt(rule, "verbs").flatMap((verb) =>
        textsAt(rule, "apiGroups").flatMap((group) =>
          textsAt(rule, "resources").flatMap((resource) =>
            (names.length === 0 ? ["*"] : names).map((name) => `${verb} ${group} ${resource} ${name}`),
          ),
        ),
      );
    })
    .toSorted();
}

/** What the platform asks for while it reads and scales, in the words of a Role. */
async function callsOf(deployment: string): Promise<readonly string[]> {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    const [, apis, group, , , , resource, name, subresource] = String(request.url).split("/");
    assert.equal(apis, "apis");
    calls.push(`${verbs[String(request.method)]} ${group} ${resource}/${subresource} ${name}`);
    const metadata = { name, namespace: "sluice", resourceVersion: "1" };
    const scale = {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata,
      spec: { replicas: 1 },
      status: { replicas: 1 },
    };
    request.resume();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(scale));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  await using folder = await temporaryFolder();
  const kubeconfig = join(folder.path, "config");
  await writeFile(kubeconfig, kubeconfigFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  try {
    await using platform = await openKubernetes({ kind: "deployment", name: deployment, kubeconfig });
    const { version } = await platform.replicas();
    assert.equal(await platform.scaleTo(2, version), "scaled");
    await platform.standDown();
  } finally {
    server.close();
    server.closeAllConnections();
  }
  return calls;
}

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token: "opaque" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "sluice" } }],
    "current-context": "x",
  });
}
