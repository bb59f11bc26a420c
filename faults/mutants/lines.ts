// The bugs of order keys, groups and urgencies.
import type { Mutant } from "./mutant.ts";

const lines = "packages/sluice/src/engines/embedded/lines.ts";
const choice = "packages/sluice/src/core/fair-choice.ts";
const contract = "packages/sluice/src/engines/embedded/contract.test.ts";
const feeder = "packages/sluice/src/engines/cluster/leader/feeder.ts";
const clusterContract = "packages/sluice/src/engines/cluster/contract.long.test.ts";
const simulation = "faults/simulation/simulation.test.ts";
const choiceTest = "packages/sluice/src/core/fair-choice.test.ts";

export const lineMutants: readonly Mutant[] = [
  {
    name: "order-key-forgotten-at-retry",
    engine: "embedded",
    bug: "a request that comes back lets the next of its order key go",
    patches: [
      {
        file: lines,
        from: "    this.#addInFlight(queue, row.grp, -1);\n    if (!isDue) return;",
        to: `    this.#addInFlight(queue, row.grp, -1);
    if (row.order_key !== null) {
      this.#db.prepare("UPDATE lined SET turn = turn + 1e15 WHERE queue = ? AND seq = ?").run(queue, seq);
      this.#promote(queue, row.order_key);
    }
    if (!isDue) return;`,
      },
    ],
    catcher: { kind: "test", file: contract, cases: "a retry keeps its place" },
    sign: /✖ a retry keeps its place/,
  },
  {
    name: "order-key-free-while-it-runs",
    engine: "embedded",
    bug: "the next of an order key is ready although the first one runs",
    patches: [{ file: lines, from: "this.#orderIsBusy.get(queue, order) === undefined", to: "order !== undefined" }],
    catcher: { kind: "test", file: contract, cases: "requests of one order key run one after another" },
    sign: /✖ requests of one order key run one after another/,
  },
  {
    name: "order-key-not-promoted",
    engine: "embedded",
    bug: "what never ran and is cancelled or expires leaves its order key stuck",
    patches: [
      {
        file: lines,
        from: "if (row.order_key !== null) this.#promote(queue, row.order_key);\n  }\n\n  /** A dead request",
        to: "if (row.order_key !== null && wasRunning) this.#promote(queue, row.order_key);\n  }\n\n  /** A dead request",
      },
    ],
    catcher: { kind: "test", file: contract, cases: "what was handed back, cancelled, dead or never began" },
    sign: /✖ what was handed back, cancelled, dead or never began/,
  },
  {
    name: "ageing-off",
    engine: "embedded",
    bug: "waiting makes no request more urgent",
    patches: [
      {
        file: choice,
        from: "urgency - Math.max(0, Math.floor(waitedMs / riseMs))",
        to: "urgency - 0 * waitedMs * riseMs",
      },
    ],
    catcher: { kind: "test", file: choiceTest, cases: "lets nothing be overtaken by the more urgent" },
    sign: /✖ lets nothing be overtaken by the more urgent/,
  },
  {
    name: "starts-saved-up",
    engine: "embedded",
    bug: "a group that comes late begins at no starts, and goes before the others until it has as many",
    patches: [
      {
        file: choice,
        from: "this.#settings.settingsOf(name), this.#pass);",
        to: "this.#settings.settingsOf(name), 0);",
      },
      { file: choice, from: "group.pass = Math.max(group.pass, this.#pass);\n", to: "" },
    ],
    catcher: { kind: "test", file: choiceTest, cases: "lets nobody save up starts" },
    sign: /✖ lets nobody save up starts/,
  },
  {
    name: "held-order-key-goes-on",
    engine: "cluster",
    bug: "the next of an order key goes although its queue says that a dead one holds it",
    patches: [
      { file: feeder, from: 'row.is_dead && lines.settings.afterDead === "hold"', to: "row.is_dead && order === ''" },
    ],
    catcher: { kind: "test", file: clusterContract, cases: "a dead request holds its order key" },
    sign: /✖ a dead request holds its order key/,
  },
  {
    name: "order-key-stuck-after-its-first",
    engine: "cluster",
    bug: "the outcome of a request does not let the next of its order key go",
    patches: [
      {
        file: feeder,
        from: 'else if (state !== "new" && state !== "behind") keys.push',
        to: 'else if (state === "new") keys.push',
      },
    ],
    catcher: { kind: "test", file: simulation, cases: "a hundred histories" },
    sign: /not at rest/,
  },
  {
    name: "group-in-flight-never-falls",
    engine: "cluster",
    bug: "what comes back from a worker still counts as in flight: a group at its bound stands still",
    patches: [
      {
        file: feeder,
        from: "linesOf(known, queue).count(grp, { inFlight: -1 });",
        to: "linesOf(known, queue).count(grp, { inFlight: 0 });",
      },
    ],
    catcher: { kind: "test", file: simulation, cases: "a hundred histories" },
    sign: /not at rest/,
  },
];
