// A clock that steps, under a real process, at every state of a request: nothing is lost, and nothing waits for the clock.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isFull } from "./effort.ts";
import { EmbeddedServer } from "./embedded/server.ts";

const more: readonly (readonly [string, string])[] = [
  ["+0", "+365d"],
  ["-365d", "+0"],
  ["+0", "-120s"],
  ["+40d", "-40d"],
  ["+0", "-20000d"],
];
const steps: readonly (readonly [string, string])[] = [["+365d", "+0"], ["+0", "-365d"], ...(isFull ? more : [])];

const ways = {
  "while it runs": () => Promise.resolve(),
  "while it is killed": async (server: EmbeddedServer) => {
    await server.stop("SIGKILL");
    await server.start({ hasFakeClock: true });
  },
  "while it is stopped": async (server: EmbeddedServer) => {
    await server.stop("SIGTERM");
    await server.start({ hasFakeClock: true });
  },
};
const chosen = isFull ? Object.keys(ways) : ["while it is killed"];

describe("a clock that steps, embedded", () => {
  for (const [from, to] of steps) {
    for (const way of chosen as readonly (keyof typeof ways)[]) {
      it(`from ${from} to ${to} ${way}`, { timeout: 240_000 }, async () => {
        await using server = await EmbeddedServer.make();
        server.setClock(from);
        await server.start({ hasFakeClock: true });
        const ids = await Promise.all([
          server.accepted({ first: "done" }),
          server.accepted({ first: "dead" }),
          server.accepted({ first: "later", ms: 1_500 }),
          server.accepted({ first: "later", ms: 60_000 }),
          server.accepted({ first: "slow", ms: 1_000 }),
        ]);
        const [done, dead, , cancelled] = ids;
        assert.deepEqual(await server.unfinished([done, dead], 30_000), []);
        while ((await server.stateOf(cancelled)) !== "scheduled");
        server.setClock(to);
        await ways[way](server);
        const { status } = await server.call(`/v1/requests/${cancelled}/cancel`, { method: "POST" });
        // After a step ahead its time has come: then it runs, or has run.
        if (status !== 200) assert.match((await server.stateOf(cancelled)) ?? "", /running|done/);
        assert.equal((await server.call(`/v1/requests/${dead}/replay`, { method: "POST" })).status, 202);
        const later = await Promise.all([
          server.accepted({ first: "done" }),
          server.accepted({ first: "later", ms: 500 }),
        ]);
        assert.deepEqual(await server.unfinished([...ids, ...later], 40_000), [], "all have an outcome");
        const { json: audit } = await server.call("/v1/audit");
        assert.equal(audit.holds, true, JSON.stringify(audit));
        assert.equal(audit.queues[0].accepted, 7);
        assert.equal((await server.call("/readyz")).status, 200);
      });
    }
  }

  for (const way of isFull ? (["while it runs", "while it is stopped"] as const) : (["while it runs"] as const))
    it(`ahead and back, within the hour, ${way}: retention deletes nothing`, { timeout: 240_000 }, async () => {
      await using server = await EmbeddedServer.make();
      await server.start({ hasFakeClock: true });
      const id = await server.accepted({ first: "done" });
      assert.deepEqual(await server.unfinished([id], 30_000), []);
      server.setClock("+365d");
      await ways[way](server);
      const isKept = async (): Promise<void> => {
        const until = performance.now() + 4_000; // it is looked at every second
        while (performance.now() < until) assert.equal((await server.call(`/v1/requests/${id}`)).status, 200);
      };
      await isKept();
      await server.accepted({ first: "done" }); // from now on the store looks as new as the clock
      await ways["while it is killed"](server);
      await isKept();
      server.setClock("+0");
      assert.equal((await server.call(`/v1/requests/${id}`)).status, 200);
    });

  it("a retry that falls due while timers stand still runs without another call", { timeout: 240_000 }, async () => {
    await using server = await EmbeddedServer.make();
    await server.start({ hasFakeClock: true });
    const id = await server.accepted({ first: "later", ms: 500_000 });
    while ((await server.stateOf(id)) !== "scheduled");
    server.setClock("+1d");
    assert.deepEqual(await server.unfinished([id], 20_000), []);
  });

  it(
    "back, after retention has emptied the folder: what is accepted then is delivered",
    { timeout: 240_000 },
    async () => {
      await using server = await EmbeddedServer.make({ SLUICE_RETENTION: "1s" });
      await server.start({ hasFakeClock: true });
      const gone = await server.accepted({ first: "done" });
      while ((await server.call(`/v1/requests/${gone}`)).status !== 404);
      await server.stop("SIGTERM");
      server.setClock("-200d");
      await server.start({ hasFakeClock: true });
      const { json } = await server.send({ first: "done" });
      assert.ok(json.id > gone, "ids keep growing");
      const giveUpAt = performance.now() + 30_000;
      for (let backlog = 1; backlog > 0;) {
        assert.ok(performance.now() < giveUpAt, "it was delivered");
        backlog = (await server.call("/v1/queues")).json.queues[0].backlog;
      }
    },
  );
});
