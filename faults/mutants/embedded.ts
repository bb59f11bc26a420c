// The bugs of an engine on one file.
import { doneBeforeEffect } from "./done-before-effect.ts";
import type { Mutant } from "./mutant.ts";

const embedded = "packages/sluice/src/engines/embedded";

const contract = `${embedded}/contract.test.ts`;

export const embeddedMutants: readonly Mutant[] = [
  {
    name: "answer-before-commit",
    engine: "embedded",
    bug: "the answers of a group leave before its commit, on a slow disk (against I1)",
    patches: [
      {
        file: `${embedded}/commit-loop.ts`,
        from: "for (const call of calls) this.#answer(call, serving.answers);\n        this.#serveWaiters(serving);",
        to: `for (const call of calls) this.#answer(call, serving.answers);
        this.#serveWaiters(serving);
        this.#post({ answers: serving.answers }, serving.transfer.splice(0));
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);`,
      },
      {
        file: `${embedded}/commit-loop.ts`,
        from: "this.#post({ answers, commit: { kind",
        to: "this.#post({ answers: [], commit: { kind",
      },
    ],
    catcher: { kind: "scenario", name: "kill-outside", rounds: 3 },
    sign: /lost is [1-9]/,
  },
  {
    ...doneBeforeEffect,
    engine: "embedded",
    catcher: { kind: "scenario", name: "kill-effect-pending", rounds: 2 },
    sign: /lost is [1-9]/,
  },
  {
    name: "retry-before-scheduled",
    engine: "embedded",
    bug: "a failed attempt is acknowledged, and its retry is scheduled a little later",
    patches: [
      {
        file: `${embedded}/retry.ts`,
        from: "    schedule.run(seq, held.queue, dueAt, attempts, crashes, held.started_at, now(), kind);",
        to: "    setTimeout(() => schedule.run(seq, held.queue, dueAt, attempts, crashes, held.started_at, now(), kind), 100);",
      },
    ],
    catcher: { kind: "scenario", name: "kill-flaky", rounds: 2 },
    sign: /lost is [1-9]/,
  },
  {
    name: "keys-forgotten",
    engine: "embedded",
    bug: "keys are compared, and never stored (against I5)",
    patches: [
      {
        file: `${embedded}/accept.ts`,
        from: "insertKey.run(queue.no, storedKey, seq, fingerprint);",
        to: "insertKey.setReadBigInts(false);",
      },
    ],
    catcher: { kind: "scenario", name: "repeats", rounds: 1 },
    sign: /doubledOutcomes is [1-9]/,
  },
  {
    name: "last-outcome-wins",
    engine: "embedded",
    bug: "the first outcome's constraint is gone (against I3)",
    patches: [
      {
        file: `${embedded}/settle.ts`,
        from: 'releaseClaim.get(seq, token) as unknown as Held | undefined;\n    if (held === undefined) return "superseded";',
        to: `(releaseClaim.get(seq, token) ?? { queue: 1, attempts: 0, crashes: 0, started_at: 0, bytes: 0 }) as unknown as Held;`,
      },
      { file: `${embedded}/settle.ts`, from: "INSERT INTO outcomes", to: "INSERT OR REPLACE INTO outcomes" },
      { file: `${embedded}/settle.ts`, from: " ON CONFLICT (seq) DO NOTHING", to: "" },
    ],
    // One process settles each claim once: only the contract's cases try it twice.
    catcher: { kind: "test", file: contract, cases: "the first outcome wins" },
    sign: /✖ the first outcome wins/,
  },
  {
    name: "crash-counts-attempt",
    engine: "embedded",
    bug: "a crash counts as a failed attempt (against I4)",
    patches: [
      {
        file: `${embedded}/crash.ts`,
        from: "schedule.run(seq, queue, 0, attempts, crashes,",
        to: "schedule.run(seq, queue, 0, attempts + 1, crashes,",
      },
    ],
    catcher: { kind: "test", file: contract, cases: "a crash counts no attempt" },
    sign: /✖ a crash counts no attempt/,
  },
  {
    name: "synchronous-normal",
    engine: "embedded",
    bug: "commits are not synced (against I1)",
    patches: [
      { file: `${embedded}/database.ts`, from: "PRAGMA synchronous = FULL;", to: "PRAGMA synchronous = NORMAL;" },
    ],
    // SIGKILL cannot show it, the page cache survives: the setting is read back, and the start refused (I9).
    catcher: { kind: "scenario", name: "kill-accept-committed", rounds: 1 },
    sign: /synchronous must be 2, got 1/,
  },
];
