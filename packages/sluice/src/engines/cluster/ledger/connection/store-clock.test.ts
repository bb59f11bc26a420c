import { mock, test } from "node:test";
import { equal, ok } from "node:assert/strict";
import type { Connected } from "./database.ts";
import { StoreClock } from "./store-clock.ts";

const hourMs = 3_600_000;

/** A server whose clock is ahead by what is said last, and whose answers take their time, or so many of them do. */
function serverOf(): { connection: Connected; aheadMs: number; slowMs: number; slowAnswers: number } {
  const server = {
    aheadMs: 0,
    slowMs: 0,
    slowAnswers: Number.POSITIVE_INFINITY,
    connection: {
      rows: async () => {
        const now = performance.timeOrigin + performance.now() + server.aheadMs;
        server.slowAnswers -= 1;
        if (server.slowMs > 0 && server.slowAnswers >= 0)
          await new Promise((resolve) => setTimeout(resolve, server.slowMs));
        return [{ now }];
      },
      script: () => Promise.reject(new Error("not asked for")),
      query: () => Promise.reject(new Error("not asked for")),
    } as unknown as Connected,
  };
  return server;
}

test("a step of the server's clock is followed at once, also by a slow reading, and told by how much", async () => {
  const server = serverOf();
  const clock = new StoreClock();
  equal(await clock.read(server.connection), 0); // however wrong this process is, its first reading is no step
  ok(clock.steadyMs > hourMs);
  for (const [aheadMs, slowMs] of [
    [hourMs, 0],
    [0, 30],
    [-24 * hourMs, 30],
  ] as const) {
    const before = server.aheadMs;
    Object.assign(server, { aheadMs, slowMs });
    const steppedMs = await clock.read(server.connection);
    ok(Math.abs(steppedMs - (aheadMs - before)) < 1_000, String(steppedMs));
    ok(Math.abs(clock.now() - (Date.now() + aheadMs)) < 1_000);
    ok(clock.steadyMs < 1_000);
  }
});

test("a slow reading is no step, and a better one before it is kept", async () => {
  const server = serverOf();
  const clock = new StoreClock();
  await clock.read(server.connection);
  server.slowMs = 50;
  equal(await clock.read(server.connection), 0);
  ok(Math.abs(clock.now() - Date.now()) < 20);
  ok(clock.steadyMs > hourMs);
});

// A virtual machine that is paused: its monotonic clock stands still while the server's goes on.
const pausedMs = 400;

test("a slow reading after a pause, which may be right or wrong, is followed by a quick one at once", async () => {
  const server = serverOf();
  const clock = new StoreClock();
  await clock.read(server.connection);
  Object.assign(server, { aheadMs: pausedMs, slowMs: pausedMs, slowAnswers: 1 });
  const steppedMs = await clock.read(server.connection);
  ok(Math.abs(steppedMs - pausedMs) < 50, String(steppedMs));
  ok(Math.abs(clock.now() - (Date.now() + pausedMs)) < 50);
});

test("after a pause that this host's wall clock shows, a slow reading is better than the one before the pause", async () => {
  const server = serverOf();
  const clock = new StoreClock();
  await clock.read(server.connection);
  const hostNow = Date.now;
  const moved = mock.method(Date, "now", () => hostNow() + pausedMs);
  Object.assign(server, { aheadMs: pausedMs, slowMs: pausedMs });
  await clock.read(server.connection);
  moved.mock.restore();
  const offMs = clock.now() - (Date.now() + pausedMs);
  ok(Math.abs(offMs) < pausedMs * 0.75, String(offMs));
});
