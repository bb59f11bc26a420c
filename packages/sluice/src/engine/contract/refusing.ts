// What cannot be stored fails the call that brought it, and no other of its commit (I10). The values are none that the types
// allow: an engine must survive them, since they come from handlers and targets.
import { deepEqual, equal } from "node:assert/strict";
import type { Claim, Delivery, NewRequest, Outcome } from "../../core/request.ts";
import { boom, dead, done, request, textOf, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

const refused = { code: "value-refused" };
const noText = ["a", "list"] as unknown as string;
const noClone = (() => {}) as unknown as string;

const refusedOutcomes: readonly Outcome[] = [
  { kind: "dead", failure: { code: "boom", message: noText } },
  { kind: "dead", failure: { code: "boom", message: noClone } },
  { kind: "dead", failure: { code: noText, message: "boom" } },
  { kind: "done", result: { contentType: noText, bytes: Buffer.from("x") } },
  { kind: "done", result: { contentType: noClone, bytes: Buffer.from("x") } },
];

export function refusingCases(check: Check): void {
  check("an outcome that cannot be stored fails alone, and its claim is good for another", async (rig) => {
    const { deliveries, good, bad } = await dealt(rig, refusedOutcomes.length);
    const answers = await settleAll(deliveries, (claim, n) =>
      rig.engine.settle(claim, refusedOutcomes[bad.indexOf(n)] ?? done(String(n))),
    );
    for (const n of good) {
      equal(answers[n], "settled");
      equal(textOf(await rig.engine.readResult(idOf(deliveries, n))), String(n));
    }
    for (const n of bad) {
      deepEqual(answers[n], refused);
      equal(await rig.stateOf(idOf(deliveries, n)), "running");
      equal(await rig.engine.settle((deliveries[n] as Delivery).claim, dead), "settled");
    }
  });

  check("a retry that cannot be stored fails alone, and its claim is good for an outcome", async (rig) => {
    const { deliveries, good, bad } = await dealt(rig, 2);
    const answers = await settleAll(deliveries, (claim, n) => {
      if (n === bad[0]) return rig.engine.retry(claim, { dueAt: Number.NaN, failure: boom, isCounted: true });
      if (n === bad[1])
        return rig.engine.retry(claim, { dueAt: 0, failure: { ...boom, message: noText }, isCounted: true });
      return n % 4 === 0 ? rig.engine.settle(claim, done()) : rig.engine.retry(claim, { dueAt: 0, isCounted: false });
    });
    for (const n of good) equal(answers[n], "settled");
    for (const n of bad) {
      deepEqual(answers[n], refused);
      equal(await rig.stateOf(idOf(deliveries, n)), "running");
      equal(await rig.engine.settle((deliveries[n] as Delivery).claim, dead), "settled");
    }
  });

  check("a request that cannot be stored fails alone", async (rig) => {
    const wrong: NewRequest = { ...request({ key: "wrong" }), contentType: noText };
    const calls = Array.from({ length: 9 }, (_, n) => [request({ key: `k${n}` }), n % 4 === 1 ? wrong : request()]);
    const answers = await Promise.allSettled(calls.map((requests) => rig.engine.accept(requests)));
    for (const [n, answer] of answers.entries()) {
      if (answer.status === "fulfilled") equal(answer.value.kind, "accepted");
      else equal((answer.reason as { readonly code?: unknown }).code, "value-refused");
      equal(answer.status === "rejected", n % 4 === 1);
    }
    equal((await rig.engine.list({ limit: 100 })).length, 14, "of the others both, and nothing of the refused");
  });

  check("a text with a zero byte is stored as it is, or fails alone", async (rig) => {
    const { deliveries, good, bad } = await dealt(rig, 2);
    const answers = await settleAll(deliveries, (claim, n) => {
      if (n === bad[0]) return rig.engine.settle(claim, { kind: "dead", failure: { code: "boom", message: "a\0b" } });
      if (n === bad[1])
        return rig.engine.retry(claim, { dueAt: 0, failure: { code: "boom", message: "a\0b" }, isCounted: true });
      return rig.engine.settle(claim, done());
    });
    for (const n of good) equal(answers[n], "settled");
    for (const n of bad) if (answers[n] !== "settled") deepEqual(answers[n], refused);
  });
}

interface Dealt {
  readonly deliveries: readonly Delivery[];
  readonly good: readonly number[];
  /** Each between good ones. */
  readonly bad: readonly number[];
}

async function dealt(rig: Rig, badCount: number): Promise<Dealt> {
  const numbers = Array.from({ length: badCount * 2 + 1 }, (_, n) => n);
  await rig.accept(...numbers.map(() => request()));
  const deliveries = await rig.take(numbers.length);
  return { deliveries, good: numbers.filter((n) => n % 2 === 0), bad: numbers.filter((n) => n % 2 === 1) };
}

/** All in one turn, so that they share a commit. What a call is refused with stands for its answer. */
function settleAll(
  deliveries: readonly Delivery[],
  settle: (claim: Claim, n: number) => Promise<string>,
): Promise<readonly unknown[]> {
  return Promise.all(
    deliveries.map(async ({ claim }, n) => {
      try {
        return await settle(claim, n);
      } catch (error) {
        return { code: (error as { readonly code?: unknown }).code };
      }
    }),
  );
}

function idOf(deliveries: readonly Delivery[], n: number) {
  return (deliveries[n] as Delivery).claim.id;
}
