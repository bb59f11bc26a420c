import { equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import type { GroupOverride } from "../core/line-settings.ts";
import { lineSettingsDefault } from "../core/line-settings.ts";
import { parseArrivals } from "./arrivals.ts";
import { waitsOfGroups, type GroupsOptions, type GroupWaits } from "./group-waits.ts";
import { plan } from "./plan.ts";
import { simulate, type Replicas } from "./simulate.ts";

const hourMs = 3_600_000;
const service = { perReplicaPerHour: 10_000, ratePerHour: undefined };
/** Nothing becomes more urgent on the day. */
const settings = { ...lineSettingsDefault, riseMs: 30 * 24 * hourMs };
const one: Replicas = { kind: "fixed", replicas: 1 };

type Shares = Readonly<Record<string, GroupOverride & { readonly share: number; readonly urgency?: number }>>;

function waits(phrase: string, shares: Shares, given: Partial<GroupsOptions> & { readonly replicas?: Replicas } = {}) {
  const { replicas = one, ...options } = given;
  const arrivals = parseArrivals(phrase, 0);
  const groups = Object.entries(shares).map(([group, { share, urgency = 3, ...override }]) => ({
    group,
    share,
    urgency,
    override,
  }));
  const samples = simulate(arrivals, options.service ?? service, replicas);
  return waitsOfGroups({ arrivals, service, samples, groups, settings, concurrency: 4, ...options });
}

function near(got: number | undefined, expected: number, what: string): void {
  ok(Math.abs((got ?? 0) - expected) <= 0.02 * expected, `${what}: ${got} ms, not ${expected} ms`);
}

const alone = { all: { share: 1 } };
const longest = ({ each }: GroupWaits) => each.map(({ longestMs }) => longestMs);

describe("what each group waits", () => {
  test("is what the plan says where all are of one group, also on a day of which one request in several is played", () => {
    for (const [phrase, perReplicaPerHour] of [
      ["20000/h for 2h, 5000/h for 5h", 10_000],
      ["400000/h for 2h", 300_000],
    ] as const) {
      const options = { arrivals: parseArrivals(phrase, 0), service: { ...service, perReplicaPerHour } };
      const [run] = plan({
        ...options,
        maxWaitMs: hourMs,
        diskBytesPerRequest: 0,
        replicas: { kind: "table", most: 1 },
      }).runs;
      const { all, each } = waits(phrase, alone, options);
      near(all.longestMs, run?.worstWaitMs ?? 0, "longest");
      near(all.p99Ms, run?.p99WaitMs ?? 0, "p99");
      equal(each[0]?.arrivals, options.arrivals.total);
    }
  });

  test("is hours for one that sends 90 % of twice the load, and a few starts for the others", () => {
    const { each } = waits("20000/h for 1h", { big: { share: 0.9 }, small: { share: 0.1 } });
    near(each[0]?.longestMs, hourMs, "big");
    ok((each[1]?.p99Ms ?? hourMs) <= 4 * (hourMs / 10_000), `${each[1]?.p99Ms} ms`);
  });

  test("is at the 99th percentile at most 1.5 times of what it is alone, though another one sends 90 % of the load", () => {
    const beside = waits("200000/h for 15m", { big: { share: 0.9 }, small: { share: 0.1, weight: 9 } });
    const p99Ms = beside.each[1]?.p99Ms ?? 0;
    const aloneMs = waits("20000/h for 15m", alone).all.p99Ms;
    ok(aloneMs > 10 * 60_000 && p99Ms <= 1.5 * aloneMs, `${p99Ms} ms, alone ${aloneMs} ms`);
    const unweighted = waits("200000/h for 15m", { big: { share: 0.9 }, small: { share: 0.1 } });
    ok((unweighted.each[1]?.p99Ms ?? 0) > 1.5 * aloneMs, "half of the starts are not enough for twice the load");
  });

  test("follows the weights, by which each gets its share of the starts", () => {
    const [heavy, light] = longest(
      waits("20000/h for 1h", { heavy: { share: 0.5, weight: 3 }, light: { share: 0.5 } }),
    );
    near(heavy, hourMs / 3, "10,000 at 7,500 an hour");
    near(light, hourMs, "the last of all");
  });

  test("follows a group's rate and concurrency, and the queue's rate", () => {
    const [slow, narrow] = longest(
      waits("10000/h for 1h", { slow: { share: 0.5, ratePerHour: 1_000 }, narrow: { share: 0.5, concurrency: 1 } }),
    );
    near(slow, 4 * hourMs, "5,000 at 1,000 an hour");
    near(narrow, hourMs, "5,000 at a quarter of 10,000 an hour");
    const { all } = waits("10000/h for 1h", alone, { service: { ...service, ratePerHour: 5_000 } });
    near(all.longestMs, hourMs, "the queue's rate");
  });

  test("is next to nothing for the urgent, whatever waits beside them", () => {
    const shares = { batch: { share: 0.9, urgency: 7 }, now: { share: 0.1, urgency: 1 } };
    const [, urgent = 0] = longest(waits("40000/h for 1h", shares));
    ok(urgent <= 4 * (hourMs / 10_000), `${urgent} ms`);
  });

  test("uses the number of replicas that the run has at each moment", () => {
    const goal = { min: 1, max: 4, maxWaitMs: 60_000, ratePerHour: undefined, holdMs: 300_000 };
    const { all } = waits("5000/h for 30m, 30000/h for 1h", alone, { replicas: { kind: "policy", goal } });
    equal(all.arrivals, 32_500);
    ok(all.longestMs < 10 * 60_000, `${all.longestMs} ms; with one replica it would be two hours`);
  });
});
