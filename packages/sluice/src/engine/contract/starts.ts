// How starts come out of a rate: by a clock that no case can move.
import { equal, fail, ok } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { StartsAsk, StartsGrant } from "../engine.ts";
import { orders, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

const ask: StartsAsk = { queue: orders, ratePerHour: 360_000, burst: 4, wanted: 1 };
const perSecond = ask.ratePerHour / 3_600;

export function startsCases(check: Check): void {
  check("the first start is there at once, and the answer says when the next one is", async (rig) => {
    const slow = { ...ask, ratePerHour: 36_000, wanted: 3 };
    const first = await take(rig, slow);
    equal(first.granted, 1);
    ok(first.retryMs > 0 && first.retryMs <= 100, `${first.retryMs} ms`);
    await sleep(Math.ceil(first.retryMs));
    ok((await take(rig, slow)).granted >= 1);
  });

  check("a pause saves up a burst and no more, and what is left is there at once", async (rig) => {
    await take(rig, ask);
    await sleep(100);
    equal((await take(rig, { ...ask, wanted: 3 })).granted, 3);
    await sleep(100);
    equal((await take(rig, { ...ask, wanted: 100 })).granted, 4);
  });

  check("those who ask at once get the rate between them", async (rig) => {
    const steady = { ...ask, burst: perSecond, wanted: 5 };
    const from = performance.now();
    let granted = 0;
    const worker = async (): Promise<void> => {
      while (performance.now() - from < 500) {
        const grant = await take(rig, steady);
        granted += grant.granted;
        await sleep(grant.retryMs);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    granted += (await take(rig, { ...steady, wanted: perSecond })).granted; // what a busy machine kept them from
    const most = 1 + (perSecond * (performance.now() - from)) / 1_000;
    ok(granted <= most && granted >= most * 0.8, `${granted} starts, at most ${most}`);
  });

  check("a process that starts again gets no more than a burst", async (rig) => {
    await take(rig, ask);
    await rig.crash();
    const { granted } = await take(rig, { ...ask, wanted: 100 });
    ok(granted >= 1 && granted <= 4, `${granted} starts`);
  });
}

async function take({ engine }: Rig, asked: StartsAsk): Promise<StartsGrant> {
  return engine.starts === undefined ? fail("it shares no rates") : await engine.starts(asked);
}
