import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { GatewayUnderTest, type Answer } from "../../test/gateway-under-test.ts";
import { SharedRun } from "./shared-run.ts";

const asked = 64;

test("of 64 audits at once two run, and no answer is older than its request", async () => {
  await using sut = await GatewayUnderTest.open();
  const { engine } = sut;
  const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const audit = engine.audit.bind(engine);
  let count = 0;
  engine.audit = async (options) => {
    count += 1;
    const report = await audit(options);
    if (count > 1) return report;
    begun.resolve();
    await release.promise;
    return report;
  };
  const acceptedIn = ({ json }: Answer) =>
    json.queues.find(({ queue }: { queue: string }) => queue === "orders").accepted;
  const first = sut.fetch("/v1/audit");
  await begun.promise;
  await sut.accepted();
  const later: Promise<Answer>[] = [];
  for (let each = 1; each < asked; each += 1) {
    const arrived = once(sut.gateway.app.server, "request");
    later.push(sut.fetch("/v1/audit"));
    await arrived;
  }
  await setImmediate();
  release.resolve();
  assert.equal(acceptedIn(await first), 0);
  assert.deepEqual(new Set((await Promise.all(later)).map(acceptedIn)), new Set([1]));
  assert.equal(count, 2);
});

test("a run that fails fails those who shared it, and the next one runs", async () => {
  const runs: PromiseWithResolvers<number>[] = [];
  const shared = new SharedRun({
    what: "it",
    waitingMax: 3,
    run: () => {
      runs.push(Promise.withResolvers<number>());
      return (runs.at(-1) as PromiseWithResolvers<number>).promise;
    },
  });
  const [first, second, third] = [shared.ask(), shared.ask(), shared.ask()];
  await assert.rejects(shared.ask(), /3 callers wait for it already/);
  runs[0]?.reject(new Error("out"));
  await assert.rejects(first, /out/);
  assert.equal(runs.length, 2);
  const fourth = shared.ask();
  runs[1]?.resolve(2);
  assert.deepEqual(await Promise.all([second, third]), [2, 2]);
  assert.equal(runs.length, 3);
  runs[2]?.resolve(3);
  assert.equal(await fourth, 3);
  const last = shared.ask();
  runs[3]?.resolve(4);
  assert.equal(await last, 4);
});
