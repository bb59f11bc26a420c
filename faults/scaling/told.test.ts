import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { decidedWithoutLead, decisionsOf, toldIn } from "./told.ts";

const leads = (second: number, name: string, isLeader: boolean): string =>
  JSON.stringify({ time: new Date(second * 1_000).toISOString(), name, leads: isLeader, msg: "who leads" });
const scales = (second: number, name: string, [from, to]: readonly [number, number]): string =>
  JSON.stringify({ time: new Date(second * 1_000).toISOString(), name, from, to, msg: "replicas are added" });

test("what two autoscalers logged is read in the order of time, and other lines are passed over", () => {
  const told = toldIn([
    [scales(3, "a", [1, 4]), "Sluice autoscales process/orders", leads(1, "a", true)].join("\n"),
    [leads(2, "b", false), '{"time":"1970-01-01T00:00:09Z","msg":"started"}'].join("\n"),
  ]);
  deepEqual(
    told.map(({ kind, by, at }) => [kind, by, at]),
    [
      ["leads", "a", 1_000],
      ["leads", "b", 2_000],
      ["scales", "a", 3_000],
    ],
  );
  deepEqual(
    decisionsOf(told).map(({ from, to }) => [from, to]),
    [[1, 4]],
  );
});

test("a decision by who never led, or leads no more, is found", () => {
  const a = [leads(1, "a", true), scales(2, "a", [0, 1]), scales(5, "a", [1, 2])].join("\n");
  const idle = [leads(1, "b", false)].join("\n");
  const both = [leads(1, "b", false), leads(4, "b", true), scales(6, "b", [0, 3])].join("\n");
  const stray = [leads(1, "b", false), scales(2, "b", [0, 1])].join("\n");
  const found = (...logs: readonly string[]) => decidedWithoutLead(toldIn(logs)).map(({ by, at }) => [by, at]);
  deepEqual(found(a, idle), []);
  deepEqual(found(a, both), [["a", 5_000]]);
  deepEqual(found(a, stray), [["b", 2_000]]);
});
