// Callbacks of a cluster: several workers, one of which turns outcomes into callbacks, killed at its steps and at any moment.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient, verifyCallback, type SluiceClient, type WireAudit, type WireQueue } from "@sluice/client";
import { startSluiceGateway, startSluiceWorker, type Child, type Sluice } from "@sluice/testing";
import { migrate, openClusterUnderTest, sluiceEntry, type ClusterUnderTest } from "../../test/cluster-under-test.ts";
import { Receiver, type Post } from "../../test/receiver.ts";

const secret = `whsec_${Buffer.from("for all queues, twenty-four").toString("base64")}`;
const callbackQueue = "sluice-callbacks";
const config = `
import { defineConfig } from ${sluiceEntry};

export default defineConfig({
  callbacks: { allow: ["127.0.0.1"], retry: { attempts: 10, backoff: "5ms", backoffMax: "50ms" } },
  queues: {
    orders: { handle: (request) => request.text() },
    booked: {
      transactional: true,
      async handle(request, { sql }) {
        await sql.query("SELECT 1");
        return request.text();
      },
    },
  },
});
`;

let cluster: ClusterUnderTest;
before(async () => {
  cluster = await openClusterUnderTest({ name: "calling", config });
});
after(() => cluster[Symbol.asyncDispose]());

interface Rig extends AsyncDisposable {
  readonly receiver: Receiver;
  readonly gateway: Sluice;
  readonly client: SluiceClient;
  startWorker(env?: Readonly<Record<string, string>>): Promise<Child>;
}

async function openRig(): Promise<Rig> {
  await using resources = new AsyncDisposableStack();
  const { configFile } = cluster;
  const env = { ...(await cluster.newEnv()), SLUICE_CALLBACK_SECRET: secret };
  await migrate(configFile, env);
  const receiver = resources.use(await Receiver.open());
  const gateway = resources.use(await startSluiceGateway({ configFile, env }));
  const owned = resources.move();
  return {
    receiver,
    gateway,
    client: createClient({ url: gateway.url }),
    async startWorker(more = {}) {
      return owned.use(await startSluiceWorker({ configFile, env: { ...env, ...more } }));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function read<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

/** Once so many callbacks were accepted and have their outcome; and the law holds. */
async function assertAllTold({ gateway }: Rig, count: number): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  for (;;) {
    signal.throwIfAborted();
    const { counts, accepted, backlog } = await read<WireQueue>(`${gateway.url}/v1/queues/${callbackQueue}`);
    if (backlog === 0 && counts.done + counts.dead >= count) {
      assert.deepEqual({ accepted, done: counts.done, dead: counts.dead }, { accepted: count, done: count, dead: 0 });
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 50)); // nothing tells of a queue
  }
  assert.equal((await read<WireAudit>(`${gateway.url}/v1/audit`)).holds, true);
}

async function requestOf({ headers, body }: Post): Promise<string> {
  return (await verifyCallback({ headers, body, secret })).callback.data.id;
}

const kills = [
  { queue: "booked", when: "its statements are made and not committed", at: "effect-made", posts: 1 },
  { queue: "booked", when: "the outcome is committed and no callback made", at: "outcome-committed", posts: 1 },
  { queue: "orders", when: "the callback is accepted and not noted as told", at: "callback-accepted", posts: 1 },
  { queue: "orders", when: "the callback is posted and its outcome not committed", at: "effect-made:2", posts: 2 },
] as const;
for (const { queue, when, at, posts: count } of kills)
  test(`a worker of ${queue} killed when ${when}: another one posts it`, { timeout: 120_000 }, async () => {
    await using rig = await openRig();
    const doomed = await rig.startWorker({ SLUICE_CRASH_AT: at });
    const { id } = await rig.client.submit(queue, "1", { callback: rig.receiver.url("/told") });
    assert.equal((await doomed.exited).signal, "SIGKILL");
    await rig.startWorker();
    const posts = await rig.receiver.received("/told", count);
    // Once a later one is told of, the relay has been past the first one.
    await rig.client.submit(queue, "2", { callback: rig.receiver.url("/after") });
    await rig.receiver.received("/after", 1);
    await assertAllTold(rig, 2);
    assert.equal(rig.receiver.postsTo("/told").length, count);
    assert.equal(new Set(posts.map((post) => post.id)).size, 1);
    for (const post of posts) assert.equal(await requestOf(post), id);
  });

test(
  "workers killed one after the other while callbacks are made: each outcome is told",
  { timeout: 180_000 },
  async () => {
    await using rig = await openRig();
    const callback = rig.receiver.url("/told");
    const workers = [await rig.startWorker(), await rig.startWorker()];
    const ids: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      for (let n = 0; n < 50; n += 1) ids.push((await rig.client.submit("orders", String(n), { callback })).id);
      const doomed = workers.shift();
      doomed?.kill("SIGKILL");
      await doomed?.exited;
      workers.push(await rig.startWorker());
    }
    await assertAllTold(rig, ids.length);
    const told = new Map<string, Set<string>>();
    for (const post of rig.receiver.postsTo("/told")) {
      const id = await requestOf(post);
      told.set(id, (told.get(id) ?? new Set()).add(post.id));
    }
    assert.deepEqual([...told.keys()].toSorted(), ids.toSorted());
    for (const [id, names] of told) assert.equal(names.size, 1, `${id} has one callback, posted once or again`);
  },
);
