// The autoscaler as its users have it: processes on real servers, and a burst that one worker would not finish in time.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setInterval } from "node:timers/promises";
import {
  runPromtool,
  sluiceCommand,
  startChild,
  startSluiceGateway,
  startSluiceWorker,
  type Child,
  type Sluice,
} from "@sluice/testing";
import type { WireAudit, WireQueue, WireRequestList } from "@sluice/client";
import { migrate, openClusterUnderTest, sluiceEntry, type ClusterUnderTest } from "../../test/cluster-under-test.ts";
import { runSluice, type Ended } from "../../test/run-sluice.ts";

/** A request takes as many milliseconds as its body says; two at a time in each worker. */
const config = `
import { setTimeout as sleep } from "node:timers/promises";
import { defineConfig } from ${sluiceEntry};

export default defineConfig({
  queues: {
    slow: {
      concurrency: 2,
      scaling: { min: 1, max: 3, maxWait: "2s", hold: "2s" },
      async handle(request, { signal }) { await sleep(Number(request.text()), undefined, { signal }); },
    },
  },
});
`;

let cluster: ClusterUnderTest;
let configFile: string;
let env: Record<string, string>;

before(async () => {
  cluster = await openClusterUnderTest({ name: "autoscale", config });
  ({ configFile } = cluster);
});
after(() => cluster?.[Symbol.asyncDispose]());
beforeEach(async () => {
  env = await cluster.newEnv();
});

function sluice(...args: readonly string[]): Promise<Ended> {
  return runSluice({ args, env });
}

async function startGateway(): Promise<Sluice> {
  await migrate(configFile, env);
  return startSluiceGateway({ configFile, env });
}

async function startAutoscaler(...more: readonly string[]): Promise<Child> {
  const args = ["autoscale", "--platform", "process", "--config", configFile, "--every", "300ms", "--grace", "200ms"];
  const child = await startChild({ command: process.execPath, args: [sluiceCommand, ...args, ...more], env });
  await child.line(/^Sluice autoscales process\/slow$/);
  return child;
}

async function send({ url }: Sluice, count: number, ms: number): Promise<void> {
  const body = `{"body":${ms}}\n`.repeat(count);
  const answer = await fetch(`${url}/v1/queues/slow/batches`, {
    method: "POST",
    body,
    headers: { "content-type": "application/x-ndjson" },
  });
  assert.equal(answer.status, 202, await answer.text());
}

async function readJson<T>({ url }: Sluice, path: string): Promise<T> {
  return (await (await fetch(url + path)).json()) as T;
}

/** Each answer is an event of its own: asked again as soon as the last one is there. */
async function allDone(gateway: Sluice): Promise<WireQueue> {
  for (;;) {
    const queue = await readJson<WireQueue>(gateway, "/v1/queues/slow");
    if (queue.backlog === 0) return queue;
  }
}

async function assertNothingLost(gateway: Sluice, count: number): Promise<void> {
  const { counts } = await allDone(gateway);
  assert.deepEqual([counts.done, counts.dead], [count, 0]);
  assert.equal((await readJson<WireAudit>(gateway, "/v1/audit")).holds, true);
  const { requests } = await readJson<WireRequestList>(gateway, `/v1/requests?queue=slow&limit=${count}`);
  assert.equal(requests.length, count);
  assert.deepEqual(
    requests.filter(({ attempts, lastError }) => attempts !== 1 || lastError !== null),
    [],
    "scale-in is no attempt",
  );
}

function scalings({ output }: Child): readonly { readonly from: number; readonly to: number }[] {
  const lines = output().matchAll(/"from":(\d+),"to":(\d+).*"msg":"replicas are (?:added|let go)"/g);
  return [...lines].map(([, from, to]) => ({ from: Number(from), to: Number(to) }));
}

test("a burst takes the workers from one up and back, and nothing is lost on the way", async () => {
  await using gateway = await startGateway();
  await using autoscaler = await startAutoscaler();
  await send(gateway, 200, 100);
  await autoscaler.line(/"to":3,"reason":"(wait|maximum)".*"msg":"replicas are added"/);
  let isOver = false;
  const last = autoscaler.line(/"to":1,.*"msg":"replicas are let go"/).then(() => (isOver = true));
  let sent = 200;
  for await (const _ of setInterval(700)) {
    if (isOver) break;
    await send(gateway, 1, 800); // longer than the grace: a worker that has to go hands it back
    sent += 1;
  }
  await last;
  await assertNothingLost(gateway, sent);
  assert.deepEqual(scalings(autoscaler)[0], { from: 0, to: 1 });
  autoscaler.kill("SIGTERM");
  assert.deepEqual(await autoscaler.exited, { code: 0, signal: null });
});

test("of two autoscalers one decides, and when it is killed the other does", async () => {
  await using gateway = await startGateway();
  await using first = await startAutoscaler();
  await first.line(/"this autoscaler leads"/);
  await using second = await startAutoscaler();
  await second.line(/another autoscaler leads: this one stands by/);
  await send(gateway, 200, 100);
  await first.line(/"to":3,.*"msg":"replicas are added"/);
  assert.deepEqual(scalings(second), []);
  first.kill("SIGKILL");
  await second.line(/"this autoscaler leads"/);
  await second.line(/"from":0,"to":[1-3],/);
  await assertNothingLost(gateway, 200);
});

test("autoscaler and worker have a page for Prometheus, each its own", async () => {
  await using gateway = await startGateway();
  await using autoscaler = await startAutoscaler("--metrics", "0");
  await using worker = await startSluiceWorker({ configFile, env, args: ["--metrics", "127.0.0.1:0"] });
  await send(gateway, 20, 1);
  await allDone(gateway);
  const present = async () => (await readJson<WireQueue>(gateway, "/v1/queues/slow")).workers;
  while ((await present()) !== 2); // the autoscaler's own has no page: it would ask for the same port
  const decided = await pageOf(autoscaler);
  assert.match(decided, /^sluice_autoscaler_replicas\{platform="process"\} [1-3]$/m);
  assert.match(decided, /^sluice_autoscaler_decisions_total\{platform="process",queue="slow",change="added"\} [1-3]$/m);
  assert.match(await pageOf(worker), /^messaging_process_duration_seconds_count\{.*"slow".*\} \d+$/m);
  const taken = new URL(await pageUrlOf(worker)).host;
  const late = await sluice("worker", "--config", configFile, "--metrics", taken);
  assert.equal(late.exitCode, 78);
  assert.match(late.stderr, /port \d+ of 127\.0\.0\.1 is in use: give another/);
});

async function pageUrlOf(child: Child): Promise<string> {
  const [, url = ""] = await child.line(/"metricsUrl":"([^"]+)".*"msg":"started"/);
  return url;
}

async function pageOf(child: Child): Promise<string> {
  const answer = await fetch(await pageUrlOf(child));
  assert.equal(answer.status, 200);
  const page = await answer.text();
  assert.deepEqual(await runPromtool(["check", "metrics"], page), { exitCode: 0, output: "" });
  return page;
}

test("a dry run tells what it would do, and does nothing", async () => {
  await using gateway = await startGateway();
  await using autoscaler = await startAutoscaler("--dry-run");
  await autoscaler.line(/"from":0,"to":1,"reason":"unmeasured".*"msg":"dry run: replicas would be added"/);
  assert.equal((await readJson<WireQueue>(gateway, "/v1/queues/slow")).workers, 0);
});

for (const [args, exitCode, message] of [
  [["--queue", "a"], 64, /--platform/],
  [["--platform", "nomad"], 64, /Allowed choices are process, swarm, kubernetes/],
  [["--platform", "swarm", "--queue", "a"], 64, /--platform swarm needs --service NAME/],
  [["--platform", "kubernetes"], 64, /needs one of --deployment NAME and --statefulset NAME/],
  [["--platform", "swarm", "--service", "a", "--deployment", "b"], 64, /--deployment goes with --platform kubernetes/],
  [["--platform", "process", "--every", "1ms"], 64, /--every.* must be a duration from 100ms to 10m, got "1ms"/],
  [["--platform", "process", "--metrics", "http"], 64, /a port to 65535 such as 9464, or 0\.0\.0\.0:9464, got "http"/],
  [["--platform", "process"], 78, /no queue: give --queue NAME/],
  [["--platform", "process", "--queue", "a"], 78, /queues\.a needs one of handle/],
  [
    ["--platform", "process", "--queue", "a", "--target", "http://b", "--min", "0"],
    78,
    /--min must be an integer from 1 to 10000, got "0"/,
  ],
  [
    ["--platform", "swarm", "--service", "s", "--queue", "a", "--min", "5", "--max", "2"],
    78,
    /max must be at least min/,
  ],
  [
    ["--platform", "swarm", "--service", "s", "--queue", "a", "--max-wait", "soon"],
    78,
    /maxWait must be a duration from 1ms to 30d, got "soon"/,
  ],
] as const)
  test(`is refused: autoscale ${args.join(" ")}`, async () => {
    const ended = await sluice("autoscale", ...args);
    assert.equal(ended.exitCode, exitCode, ended.stderr);
    assert.match(ended.stderr, message);
  });

test("the help teaches the rule and the platforms", async () => {
  const { stdout, exitCode } = await sluice("autoscale", "--help");
  assert.equal(exitCode, 0);
  for (const taught of [/--max-wait/, /from the wait that is forecast/, /--deployment NAME/, /one leads/])
    assert.match(stdout, taught);
});
