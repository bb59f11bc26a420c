import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { sluiceCommand, startChild } from "@sluice/testing";
import { readGateway, readWorker } from "../../packages/sluice/src/config/read-settings.ts";
import { defaultGatewayLimits } from "../../packages/sluice/src/gateway/limits.ts";
import { prometheusName } from "../../packages/sluice/src/telemetry/metrics.ts";
import { named, workloadsOf } from "../checks/objects.ts";
import { referenceFindings } from "../checks/reference-findings.ts";
import { schemaFindings } from "../checks/schema-findings.ts";
import { at, textAt, textsAt, treesAt, type Tree } from "../checks/tree.ts";
import config from "./base/sluice.config.ts";
import { build, overlays, type Overlay } from "./build.ts";

const nowhere = {
  DATABASE_URL: "postgres://127.0.0.1:1/none",
  AMQP_URL: "amqp://127.0.0.1:1",
  REDIS_URL: "redis://127.0.0.1:1",
};

for (const overlay of overlays) {
  describe(`the overlay ${overlay}`, () => {
    let objects: readonly Tree[];
    before(() => {
      objects = build(overlay);
    });

    test("keeps to the published schemas, with no field that they do not know", () => {
      assert.ok(objects.length > 15);
      assert.deepEqual(objects.flatMap(schemaFindings), []);
    });

    test("refers to nothing that is not there, and gives no pod a right that it does not need", () => {
      assert.deepEqual(referenceFindings(objects), []);
    });

    test("gives the drain the time that it takes", () => {
      const graceSeconds = (name: string) => {
        const workload = workloadsOf(objects).find((other) => other.name === name);
        return Number(workload?.spec["terminationGracePeriodSeconds"]);
      };
      const { graceMs } = readWorker({ file: config, overrides: {}, env: nowhere });
      assert.ok(graceSeconds("sluice-worker") >= graceMs / 1_000 + 15);
      const { lingerMs } = readGateway({ file: config, overrides: {}, env: nowhere });
      assert.ok(lingerMs >= 5_000, "the Service goes on sending for a moment");
      assert.ok(graceSeconds("sluice-gateway") >= (lingerMs + 2 * defaultGatewayLimits.closeGraceMs) / 1_000);
    });

    test("leaves the number of workers to what scales them", () => {
      assert.deepEqual(at(named(objects, "Deployment", "sluice-worker"), "spec", "replicas"), []);
    });

    test("starts the command with flags that it knows", async () => {
      const containers = workloadsOf(objects).flatMap((workload) => workload.containers);
      const commands = containers.filter((container) => container["command"] === undefined);
      assert.ok(commands.length >= 3);
      await Promise.all(commands.map((container) => assertStarts(textsAt(container, "args"))));
    });
  });
}

test("on PostgreSQL alone only the variables that name the other servers differ", () => {
  const environmentOf = (overlay: Overlay): Readonly<Record<string, string>> => {
    const config = build(overlay).find((object) =>
      textAt(object, "metadata", "name")?.startsWith("sluice-environment-"),
    );
    return config?.["data"] as Readonly<Record<string, string>>;
  };
  const { AMQP_URL_FILE, REDIS_URL_FILE, ...others } = environmentOf("only-postgres");
  assert.deepEqual([AMQP_URL_FILE, REDIS_URL_FILE], ["", ""]);
  const whole = environmentOf("autoscaler");
  assert.deepEqual({ ...whole, AMQP_URL_FILE, REDIS_URL_FILE }, { ...others, AMQP_URL_FILE, REDIS_URL_FILE });
  assert.match(others["DATABASE_URL_FILE"] ?? "", /database-url$/);
});

test("the key that KEDA puts into a header has nothing around it that a header cannot have", () => {
  const objects = build("keda");
  const [reference] = treesAt(named(objects, "TriggerAuthentication", "sluice-scaling"), "spec", "secretTargetRef");
  const secret = named(objects, "Secret", reference?.["name"]);
  const key = Buffer.from(textAt(secret, "data", String(reference?.["key"])) ?? "", "base64").toString();
  assert.match(key, /^[\x21-\x7e]+$/);
});

/** As far as it gets without its servers; a flag or a setting that is wrong ends it with 64 or 78. */
async function assertStarts(args: readonly string[]): Promise<void> {
  const cwd = fileURLToPath(new URL("./base", import.meta.url)); // where its sluice.config.ts is
  const keys = fileURLToPath(new URL("./base/secrets/keys.json", import.meta.url)); // without it no gateway would start
  const env = { ...nowhere, SLUICE_KEYS_FILE: keys, SLUICE_WAIT_FOR_SERVERS: "0s" };
  await using child = await startChild({ command: process.execPath, args: [sluiceCommand, ...args], env, cwd });
  const { code } = await child.exited;
  assert.equal(code, 69, child.output());
}

test("both alternatives follow the goal of the queue in the configuration", () => {
  const [queue = "", { scaling } = {}] = Object.entries(config.queues ?? {})[0] ?? [];
  const scaled = named(build("keda"), "ScaledObject", "sluice-worker");
  assert.deepEqual(at(scaled, "spec", "minReplicaCount"), [scaling?.min]);
  assert.deepEqual(at(scaled, "spec", "maxReplicaCount"), [scaling?.max]);
  assert.match(textAt(scaled, "spec", "triggers", "metadata", "url") ?? "", new RegExp(`/v1/queues/${queue}/scaling$`));
  const autoscaler = named(build("hpa"), "HorizontalPodAutoscaler", "sluice-worker");
  const followed = textAt(autoscaler, "spec", "metrics", "external", "metric", "name");
  assert.equal(followed, prometheusName("sluice.desired.replicas"));
  assert.deepEqual(at(autoscaler, "spec", "minReplicas"), [scaling?.min]);
  assert.deepEqual(at(autoscaler, "spec", "maxReplicas"), [scaling?.max]);
  assert.deepEqual(at(autoscaler, "spec", "metrics", "external", "metric", "selector", "matchLabels", "queue"), [
    queue,
  ]);
});

describe("what is planted is found", () => {
  const planted: ReadonlyArray<readonly [what: string, from: string, to: string]> = [
    ["a field that is not known", `"minReadySeconds":15`, `"minReadySecond":15`],
    ["a field that is not known, deep down", `"readOnlyRootFilesystem":true`, `"readOnlyRootFileSystem":true`],
    ["a value of another type", `"replicas":2`, `"replicas":"2"`],
    ["a field of KEDA that is not known", `"minReplicaCount":1`, `"minReplicas":1`],
    ["a parameter that the trigger does not know", `"valueLocation":`, `"valuePath":`],
    ["a required field that is not there", `"triggers":[`, `"trigger":[`],
    ["a Secret that is not there", `"secretName":"sluice-servers-`, `"secretName":"sluice-server-`],
    ["a ConfigMap that is not there", `"configMapRef":{"name":"sluice-environment-`, `"configMapRef":{"name":"other-`],
    ["a secret's file under another name", "/run/secrets/sluice/amqp-url", "/run/secrets/sluice/amqp"],
    ["the API keys under another name", "/run/secrets/keys/keys.json", "/run/secrets/keys/key.json"],
    ["a volume that is not there", `{"mountPath":"/tmp","name":"tmp"}`, `{"mountPath":"/tmp","name":"temp"}`],
    ["a probe of no port", `"httpGet":{"path":"/livez","port":"http"}`, `"httpGet":{"path":"/livez","port":"web"}`],
    ["a Service to no port", `"targetPort":"http"`, `"targetPort":"web"`],
    [
      "a selector of no pods",
      `"maxUnavailable":1,"selector":{"matchLabels":{"app.kubernetes.io/component":"w`,
      `"maxUnavailable":1,"selector":{"matchLabels":{"app.kubernetes.io/component":"v`,
    ],
    [
      "a target of scaling that is not there",
      `"kind":"Deployment","name":"sluice-worker"}`,
      `"kind":"Deployment","name":"worker"}`,
    ],
    ["an address of no Service", "http://sluice-gateway.sluice.svc:8080/", "http://sluice-gateway.sluice.svc:8081/"],
    ["a key of no Secret", `"key":"read-key"`, `"key":"token"`],
    ["a pod that may run as root", `"runAsNonRoot":true`, `"runAsNonRoot":false`],
    ["a capability", `"drop":["ALL"]`, `"drop":["NET_RAW"]`],
  ];
  let text: string;
  before(() => {
    text = JSON.stringify(sorted(build("keda")));
  });

  for (const [what, from, to] of planted) {
    test(what, () => {
      assert.ok(text.includes(from), `the overlay has no ${from}`);
      const objects = JSON.parse(text.replace(from, to)) as readonly Tree[];
      assert.notDeepEqual([...objects.flatMap(schemaFindings), ...referenceFindings(objects)], []);
    });
  }
});

/** Whichever order kubectl prints the fields in. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
