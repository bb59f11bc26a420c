// Hostile targets: whatever one says to a request, or does to its connection, the outcome is what RFC 9110 says of it, or a retry
// is scheduled; the process lives, and the next good request is done.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClient, type SluiceClient, type WireAudit, type WireRequest } from "@sluice/client";
import {
  startRawTarget,
  startSluice,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
  type Child,
  type RawRequest,
  type RawTarget,
} from "@sluice/testing";
import fc from "fast-check";
import { systemClock } from "../../packages/sluice/src/core/clock.ts";
import { addressRule } from "../../packages/sluice/src/outbound/address-rule.ts";
import { plainTarget } from "../../packages/sluice/src/outbound/target.ts";
import type { RequestId } from "../../packages/sluice/src/core/request-id.ts";
import { messageBytesMax } from "../../packages/sluice/src/core/stored-text.ts";
import type { AttemptEnd, Runner } from "../../packages/sluice/src/worker/runner.ts";
import { targetRunner } from "../../packages/sluice/src/worker/target-runner.ts";
import { migrate, openClusterUnderTest, sluiceEntry } from "../../packages/sluice/test/cluster-under-test.ts";
import { isFull } from "./effort.ts";
import { allowed, type Verdict } from "./targets/oracle.ts";
import { anyScript, play, type Script } from "./targets/script.ts";

const resultBytesMax = 1_000;
const retryAfterMaxMs = 60_000;
const good = "a good one";

/** A target that plays scripts by their number, which is the body of a request; to any other it gives a good response. */
class Stage implements AsyncDisposable {
  readonly scripts: Script[] = [];
  readonly played: Promise<void>[] = [];
  readonly seen = new Map<string, number>();
  readonly target: RawTarget;

  private constructor(target: RawTarget) {
    this.target = target;
  }

  static async open(): Promise<Stage> {
    const stage: Stage = new Stage(await startRawTarget((socket, request) => stage.#respond(socket, request)));
    return stage;
  }

  #respond(socket: Socket, { body, head }: RawRequest): void {
    const key = body.toString();
    const script = this.scripts[Number(key || "no number")];
    const attempt = Number(/\r\nsluice-attempt: (\d+)/.exec(head)?.[1]);
    this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
    // What leads to a retry is said once: the next attempt goes well.
    const isOver = script === undefined || (attempt > 1 && allowed(script, resultBytesMax).some(isRetry));
    if (isOver) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${good.length}\r\n\r\n${good}`);
    else this.played.push(play(script, socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.target[Symbol.asyncDispose]();
  }
}

function isRetry({ kind }: Verdict): boolean {
  return kind === "retry";
}

describe("one attempt", () => {
  test("ends as RFC 9110 says of any response, or is tried again", { timeout: 1_500_000 }, async () => {
    await using stage = await Stage.open();
    const scripts = fc.array(fc.tuple(anyScript, fc.boolean()), { minLength: 25, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(scripts, async (drawn) => {
        await Promise.all(drawn.map(([script, isSecond]) => attempted(stage, script, isSecond)));
      }),
      { numRuns: isFull ? 400 : 20, endOnFailure: !isFull },
    );
  });
});

async function attempted(stage: Stage, script: Script, isSecond: boolean): Promise<void> {
  const runner = targetRunner({
    target: plainTarget(stage.target.url, addressRule({ allow: ["127.0.0.1"] })),
    clock: systemClock,
    connectionsMax: 1,
    resultBytesMax,
    timeoutMs: 4_000,
    retryAfterMaxMs,
  });
  try {
    if (isSecond) await assertGood(runner);
    const verdicts = allowed(script, resultBytesMax);
    const number = stage.scripts.push(script) - 1;
    // A response that may never end is waited for as long as a timeout allows; a plain one for as long as the machine needs.
    const end = await attempt(runner, String(number), verdicts.some(isRetry) ? 400 : 20_000);
    assertStorable(end, script);
    ok(
      verdicts.some((verdict) => fits(end, verdict)),
      `got ${JSON.stringify(end)}, allowed is ${JSON.stringify(verdicts)}`,
    );
    await Promise.all(stage.played);
    await assertGood(runner);
  } finally {
    await runner.close();
  }
}

/** Undefined when its time was over, which is a retry. */
async function attempt(runner: Runner, body: string, timeoutMs: number): Promise<AttemptEnd | undefined> {
  const id = "01a204f9-70ec-7000-8293-91d0cee829c3" as RequestId;
  const content = { queue: "orders", key: undefined, contentType: "text/plain", headers: undefined };
  const request = { ...content, body: Buffer.from(body), id, acceptedAt: 0 };
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const delivery = { request, claim: { id, queue: "orders", token: 1 }, attempt: 1, isAgain: false };
    return await runner.run(delivery, { signal, progress: () => {} });
  } catch (error) {
    if (error === signal.reason) return undefined;
    throw error;
  }
}

async function assertGood(runner: Runner): Promise<void> {
  const end = await attempt(runner, "", 20_000);
  ok(end?.kind === "done" && Buffer.from(end.result.bytes).toString() === good, `after it: ${JSON.stringify(end)}`);
}

function fits(end: AttemptEnd | undefined, verdict: Verdict): boolean {
  switch (verdict.kind) {
    case "done":
      return (
        end?.kind === "done" &&
        end.result.contentType === verdict.contentType &&
        Buffer.compare(end.result.bytes, verdict.bytes) === 0
      );
    case "dead":
      return end?.kind === "failed" && !end.failure.isRetryable && end.failure.code === verdict.code;
    case "retry":
      return end === undefined || (end.kind === "failed" && end.failure.isRetryable);
    default:
      return verdict satisfies never;
  }
}

/** Whatever it said is bounded text, the wait that it asked for is bounded, and it counts: it was sent. */
function assertStorable(end: AttemptEnd | undefined, { fault, retryAfter, sent, ending }: Script): void {
  if (end?.kind !== "failed") return;
  const { message, isCounted, retryAfterMs, code } = end.failure;
  ok(message.isWellFormed() && !message.includes("\0") && Buffer.byteLength(message) <= messageBytesMax, message);
  equal(isCounted, true);
  const asked = retryAfter === "distant" ? Number.POSITIVE_INFINITY : retryAfter && retryAfter * 1_000;
  const expected = asked === undefined ? undefined : Math.min(asked, retryAfterMaxMs);
  const isWhole = fault === undefined && sent === 1 && ending !== "reset" && code === "target-status";
  if (isWhole) equal(retryAfterMs, expected);
  else ok((retryAfterMs ?? 0) <= retryAfterMaxMs);
}

/** The processes that must live. */
interface Field extends AsyncDisposable {
  readonly url: string;
  readonly children: readonly Child[];
}

function configFor(target: string, deaf: string): string {
  return `
import { defineConfig } from ${sluiceEntry};
const retry = { attempts: 5, backoff: "5ms", backoffMax: "50ms" };
export default defineConfig({ queues: {
  orders: { target: ${JSON.stringify(target)}, resultMax: "${resultBytesMax}B", timeout: "2s", retry },
  patient: { target: ${JSON.stringify(target)}, retry: { ...retry, retryAfterMax: "5m", ageMax: "1m" } },
  unsent: { target: ${JSON.stringify(deaf)}, timeout: "2s", retry: { ...retry, attempts: 1 } },
} });`;
}

describe("on one file", () => judge("embedded"));
if (isFull) describe("on a cluster", () => judge("cluster"));

function judge(engine: "embedded" | "cluster"): void {
  let resources: AsyncDisposableStack;
  let stage: Stage;
  let field: Field;
  let client: SluiceClient;

  before(async () => {
    resources = new AsyncDisposableStack();
    stage = resources.use(await Stage.open());
    const deaf = createServer((socket) => socket.on("error", () => {}).end("I speak no TLS\r\n")).listen(
      0,
      "127.0.0.1",
    );
    resources.defer(() => void deaf.close());
    await once(deaf, "listening");
    const config = configFor(stage.target.url.href, `https://127.0.0.1:${(deaf.address() as AddressInfo).port}`);
    field = resources.use(await (engine === "embedded" ? openEmbedded(config) : openCluster(config)));
    client = createClient({ url: field.url });
  });
  after(() => resources.disposeAsync());

  test("every response leads to the outcome that RFC 9110 says, or is tried again", { timeout: 600_000 }, async () => {
    const scripts = fc.sample(anyScript, isFull ? 1_000 : 60);
    const first = stage.scripts.push(...scripts) - scripts.length;
    await Promise.all(
      scripts.map(async (script, at) => {
        const { id } = await client.submit("orders", String(first + at), { contentType: "text/plain" });
        const status = await client.wait(id);
        const verdicts = allowed(script, resultBytesMax);
        const outcome =
          status.state === "done" ? Buffer.from((await client.result(id)).bytes).toString("latin1") : status;
        ok(
          verdicts.some((verdict) => isOutcome(verdict, { status, outcome })),
          `${JSON.stringify(outcome)} came of ${JSON.stringify({ ...script, body: String(script.body) })}`,
        );
      }),
    );
    await assertWell();
  });

  test("a wait of years is cut to the bound, and never kills", async () => {
    const distant: Script = { ...quiet, status: 503, retryAfter: "distant" };
    const number = stage.scripts.push(distant) - 1;
    const { id } = await client.submit("patient", String(number), { contentType: "text/plain" });
    const status = await until(id, ({ nextAttemptAt }) => nextAttemptAt !== null);
    equal(status.state, "scheduled");
    const waitMs = Date.parse(status.nextAttemptAt ?? "") - Date.parse(status.acceptedAt);
    ok(waitMs > 30_000 && waitMs <= 60_000, `${waitMs} ms: not longer than its age limit`);
    await client.cancel(id);
    await assertWell();
  });

  test("what was never sent is no attempt, though the limit is one", async () => {
    const { id } = await client.submit("unsent", "x", { contentType: "text/plain" });
    const status = await until(id, ({ lastError }) => lastError !== null);
    deepEqual([status.attempts, status.lastError?.code], [0, "unreachable"]);
    ok(["scheduled", "waiting", "running"].includes(status.state), status.state);
    match(status.lastError?.message ?? "", /^https:\/\/127\.0\.0\.1:\d+ cannot be reached: /);
    await assertWell();
  });

  async function until(id: string, fitsIt: (status: WireRequest) => boolean): Promise<WireRequest> {
    const signal = AbortSignal.timeout(30_000);
    for (;;) {
      const status = await client.read(id, { signal });
      if (fitsIt(status)) return status;
      await new Promise((resolve) => setTimeout(resolve, 20)); // nothing tells of an attempt
    }
  }

  /** The next good request is done, no process ended, and the law holds. */
  async function assertWell(): Promise<void> {
    const { id } = await client.submit("orders", "good", { contentType: "text/plain" });
    equal((await client.wait(id)).state, "done");
    equal((await client.result(id)).text(), good);
    for (const child of field.children) equal(child.kill("SIGWINCH"), true, child.output());
    const audit: WireAudit = await client.audit();
    ok(audit.holds, "the law holds");
  }
}

const quiet: Script = {
  interims: [],
  version: "1.1",
  status: 200,
  headers: [],
  contentType: "text/plain",
  retryAfter: undefined,
  body: Buffer.alloc(0),
  coding: "none",
  framing: "length",
  fault: undefined,
  sent: 1,
  ending: "keep",
  pieces: "one",
};

interface Ended {
  readonly status: WireRequest;
  /** Of one that is done: its result. */
  readonly outcome: unknown;
}

function isOutcome(verdict: Verdict, { status, outcome }: Ended): boolean {
  switch (verdict.kind) {
    case "done":
      return outcome === Buffer.from(verdict.bytes).toString("latin1");
    case "dead":
      return status.state === "dead" && status.lastError?.code === verdict.code;
    case "retry":
      return outcome === good && status.attempts === 2;
    default:
      return verdict satisfies never;
  }
}

async function openEmbedded(config: string): Promise<Field> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await temporaryFolder());
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config);
  const sluice = resources.use(await startSluice({ dataFolder: join(folder.path, "data"), configFile }));
  const owned = resources.move();
  return { url: sluice.url, children: [sluice], [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function openCluster(config: string): Promise<Field> {
  await using resources = new AsyncDisposableStack();
  const cluster = resources.use(await openClusterUnderTest({ name: "targets", config }));
  const { configFile } = cluster;
  const env = await cluster.newEnv();
  await migrate(configFile, env);
  const gateway = resources.use(await startSluiceGateway({ configFile, env }));
  const worker = resources.use(await startSluiceWorker({ configFile, env }));
  const owned = resources.move();
  return { url: gateway.url, children: [gateway, worker], [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
