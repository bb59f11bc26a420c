// The bugs of order keys, groups and urgencies.
import type { Mutant } from "./mutant.ts";

const lines = "packages/sluice/src/engines/embedded/lines.ts";
const choice = "packages/sluice/src/core/fair-choice.ts";
const contract = "packages/sluice/src/engines/embedded/contract.test.ts";
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
        from: "urgency - Math.max(0, Math.floor((now - at) / riseMs))",
        to: "urgency - 0 * (now - at) * riseMs",
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
];
