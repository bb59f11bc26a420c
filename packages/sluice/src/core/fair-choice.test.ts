import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FairChoice, groupsMax, urgencyMax, type GroupSettings } from "./fair-choice.ts";

const unlimited: GroupSettings = {
  weight: 1,
  concurrency: undefined,
  ratePerHour: undefined,
  backlogMax: undefined,
  isPaused: false,
};

function choiceOf(settings: Readonly<Record<string, Partial<GroupSettings>>> = {}, riseMs = 60_000): FairChoice {
  return new FairChoice({ riseMs, settingsOf: (group) => ({ ...unlimited, ...settings[group] }) });
}

/** Lines that never end: what is picked begins at once and is followed by another one. */
function starts(choice: FairChoice, count: number, now = 0): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (let at = 0; at < count; at += 1) {
    const pick = choice.pick("fresh", now);
    if (pick?.kind !== "line") break;
    counts.set(pick.line.group, (counts.get(pick.line.group) ?? 0) + 1);
  }
  return counts;
}

function fill(choice: FairChoice, groups: readonly string[], { urgency = 3, at = 0 } = {}): void {
  for (const group of groups) choice.setHead("fresh", { group, urgency }, at);
}

describe("the choice between groups", () => {
  test("gives each group its weight's share of the starts, whatever the weights are", () => {
    const weight = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(fc.array(weight, { minLength: 2, maxLength: 8 }), (weights) => {
        const choice = choiceOf(Object.fromEntries(weights.map((of, at) => [`g${at}`, { weight: of }])));
        fill(
          choice,
          Object.keys(weights).map((at) => `g${at}`),
        ); // as many as there are weights
        const sum = weights.reduce((total, one) => total + one, 0);
        const counts = starts(choice, sum * 10);
        for (const [at, of] of weights.entries()) ok(Math.abs((counts.get(`g${at}`) ?? 0) - of * 10) <= of + 1);
      }),
    );
  });

  test("lets nobody save up starts, or get more by sending one at a time", () => {
    const choice = choiceOf();
    fill(choice, ["steady"]);
    starts(choice, 1_000);
    fill(choice, ["late"]);
    ok(Math.abs((starts(choice, 10).get("late") ?? 0) - 5) <= 1);
    const counts = new Map<string, number>();
    for (let at = 0; at < 100; at += 1) {
      choice.setHead("fresh", { group: "late", urgency: 3 }, 0); // comes back each time
      const pick = choice.pick("fresh", 0);
      if (pick?.kind !== "line") throw new Error("there is always one");
      const { group } = pick.line;
      counts.set(group, (counts.get(group) ?? 0) + 1);
      if (group === "late") choice.setHead("fresh", pick.line, Number.POSITIVE_INFINITY);
    }
    ok(Math.abs((counts.get("late") ?? 0) - 50) <= 2, String(counts.get("late")));
  });

  test("shares by a new weight at once, whatever the weight was before", () => {
    const settings = { light: { weight: 0.001 } };
    const choice = choiceOf(settings);
    fill(choice, ["light", "other"]);
    equal(starts(choice, 100).get("light"), 1);
    settings.light.weight = 1;
    choice.reset("light");
    ok(Math.abs((starts(choice, 20).get("light") ?? 0) - 10) <= 1);
  });

  test("puts those behind that have much in flight", () => {
    const choice = choiceOf({ noisy: { weight: 1_000 } });
    fill(choice, ["noisy", "quiet"]);
    choice.addInFlight("noisy", 30);
    ok((starts(choice, 100).get("noisy") ?? 0) > 90);
    choice.addInFlight("noisy", 1);
    equal(starts(choice, 100).get("noisy"), undefined);
    choice.addInFlight("other", 300);
    choice.addInFlight("noisy", 0);
    ok((starts(choice, 100).get("noisy") ?? 0) > 90, "31 are no tenth of 331");
  });

  test("goes by urgency first, and by age before it", () => {
    const choice = choiceOf();
    choice.setHead("fresh", { group: "a", urgency: 7 }, 0);
    choice.setHead("fresh", { group: "b", urgency: 5 }, 0);
    choice.setLog(0);
    deepEqual(choice.pick("fresh", 1), { kind: "log" });
    choice.setLog(Number.POSITIVE_INFINITY);
    deepEqual(choice.pick("fresh", 2), { kind: "line", line: { group: "b", urgency: 5 } });
  });

  test("does not let a group that waits for its own excess go before the fresh requests of others", () => {
    const riseMs = 1_000;
    const choice = choiceOf({}, riseMs);
    for (let now = 0; now <= 20 * riseMs; now += 10) {
      choice.setHead("fresh", { group: "big", urgency: 3 }, Math.max(0, now - 9 * riseMs)); // its backlog is that long
      choice.pick("fresh", now);
    }
    const now = 20 * riseMs;
    fill(choice, ["small"], { at: now });
    equal(starts(choice, 10, now).get("small"), 5);
  });

  test("lets a group whose requests are the least urgent have its share once they have waited", () => {
    const riseMs = 1_000;
    const choice = choiceOf({}, riseMs);
    fill(choice, ["low"], { urgency: 7 });
    const counts = (from: number, until: number): ReadonlyMap<string, number> => {
      const sum = new Map<string, number>();
      for (let now = from; now < until; now += 10) {
        choice.setHead("fresh", { group: "high", urgency: 0 }, now);
        const pick = choice.pick("fresh", now);
        if (pick?.kind === "line") sum.set(pick.line.group, (sum.get(pick.line.group) ?? 0) + 1);
      }
      return sum;
    };
    equal(counts(0, 6 * riseMs).get("low"), undefined);
    const later = counts(8 * riseMs, 9 * riseMs);
    ok(Math.abs((later.get("low") ?? 0) - 50) <= 1, "every second one of a hundred");
  });

  test("lets nothing be overtaken by the more urgent for longer than eight steps of age", () => {
    const riseMs = 1_000;
    const choice = choiceOf({}, riseMs);
    choice.setHead("fresh", { group: "g", urgency: urgencyMax }, 0);
    let now = 0;
    for (; now <= 8 * riseMs; now += 100) {
      choice.setHead("fresh", { group: "g", urgency: 0 }, now);
      const pick = choice.pick("fresh", now);
      if (pick?.kind === "line" && pick.line.urgency === urgencyMax) break;
    }
    ok(now >= 7 * riseMs && now <= 8 * riseMs, `after ${now} ms`);
  });

  test("passes over groups that are paused or at a limit, and tells when a rate lets one go", () => {
    const settings = { paused: { isPaused: true }, full: { concurrency: 2 }, slow: { ratePerHour: 3_600 } };
    const choice = choiceOf(settings);
    fill(choice, Object.keys(settings));
    choice.addInFlight("full", 2);
    deepEqual([...starts(choice, 10, 1_000)], [["slow", 1]]);
    equal(choice.nextAt, 2_000);
    choice.addInFlight("full", -1);
    deepEqual(choice.pick("fresh", 1_500), { kind: "line", line: { group: "full", urgency: 3 } });
    choice.addInFlight("full", 1);
    deepEqual([...starts(choice, 10, 2_000)], [["slow", 1]]);
    deepEqual([...starts(choice, 10, -1_000_000)], [["slow", 1]], "a clock that was set back starts the rate over");
  });

  test("knows so many groups and no more, and forgets those that have nothing", () => {
    const choice = choiceOf();
    for (let at = 0; at < groupsMax; at += 1) choice.addBacklog(`g${at}`, 1);
    equal(choice.groupFor("g1"), "g1");
    equal(choice.groupFor("one more"), "");
    for (let at = 1; at < groupsMax; at += 1) choice.addBacklog(`g${at}`, -1);
    fill(choice, ["g0"]);
    starts(choice, 1_000);
    equal(choice.groupFor("one more"), "one more");
    deepEqual(choice.largest(5), [{ group: "g0", backlog: 1, inFlight: 0 }]);
  });

  test("is what looking at all of them would choose, whatever has changed in between", () => {
    const groups = ["a", "b", "c", "d", "e"];
    const change = fc.record({
      group: fc.constantFrom(...groups),
      urgency: fc.integer({ min: 0, max: urgencyMax }),
      at: fc.option(fc.integer({ min: 0, max: 100 }), { nil: Number.POSITIVE_INFINITY }),
      picks: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const choice = choiceOf({}, 1e9);
        const heads = new Map<string, number>();
        const passes = new Map<string, number>();
        let passed = 0;
        for (const { group, urgency, at, picks } of changes) {
          choice.setHead("fresh", { group, urgency }, at);
          heads.set(`${group} ${urgency}`, at);
          if (!passes.has(group)) passes.set(group, passed); // who comes late has saved up nothing
          for (let pick = 0; pick < picks; pick += 1) {
            const found = choice.pick("fresh", 100);
            const waiting = [...heads].filter(([, since]) => since !== Number.POSITIVE_INFINITY);
            const least = Math.min(...waiting.map(([line]) => Number(line.split(" ")[1])));
            if (found?.kind !== "line") return equal(waiting.length, 0);
            const { line } = found;
            equal(line.urgency, least);
            const rivals = waiting.flatMap(([one]) => (one.endsWith(` ${least}`) ? [one.split(" ")[0] as string] : []));
            const pass = passes.get(line.group) as number;
            for (const rival of rivals) ok(pass <= (passes.get(rival) as number), `${line.group} went before ${rival}`);
            passed = Math.max(passed, pass);
            passes.set(line.group, passed + 1);
          }
        }
        return undefined;
      }),
    );
  });
});
