// Sluice is killed again and again, at a point of its code or from outside, while a client sends.
import type { Door } from "../door.ts";
import { parcelSource } from "../parcel.ts";
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { Stage } from "../stage.ts";
import { frontPlans } from "./front-plans.ts";
import type { Sluice } from "@sluice/testing";

interface KillPlan {
  readonly name: string;
  readonly numbers: string;
  readonly fault: string;
  /** SLUICE_CRASH_AT of one life; undefined kills it from outside. */
  readonly crashAt: (random: Random) => string | undefined;
  /** Whether the handler must have begun more often than it made effects. */
  readonly isRedeliveryMeant: boolean;
  readonly flakiness?: number;
  readonly door?: Door;
}

const concurrency = 8;
/** More than enough to reach the kill point; what is left over is the next life's backlog. */
const newPerLifeMax = 500;

const plans: readonly KillPlan[] = [
  {
    name: "kill-accept-committed",
    numbers: "2, 3",
    fault: "killed after the commit, before the answer",
    crashAt: (random) => `accept-committed:${random.between(1, 200)}`,
    isRedeliveryMeant: false,
  },
  {
    name: "kill-effect-pending",
    numbers: "4, 6",
    fault: "killed after the claim, before the effect",
    // Far enough in that whoever was in flight at the last crash is through by then.
    crashAt: (random) => `effect-pending:${random.between(80, 200)}`,
    isRedeliveryMeant: false,
  },
  {
    name: "kill-effect-made",
    numbers: "4",
    fault: "killed after the effect, before the outcome",
    crashAt: (random) => `effect-made:${random.between(80, 200)}`,
    isRedeliveryMeant: true,
  },
  {
    name: "kill-outcome-committed",
    numbers: "5",
    fault: "killed after the outcome, before anybody is told",
    crashAt: (random) => `outcome-committed:${random.between(80, 200)}`,
    isRedeliveryMeant: false,
  },
  {
    name: "kill-outside",
    numbers: "4, 5",
    fault: "killed from outside at any moment",
    crashAt: () => undefined,
    isRedeliveryMeant: false,
  },
  {
    name: "kill-flaky",
    numbers: "4, 5",
    fault: "killed from outside while B fails one in five and breaks off one in five",
    crashAt: () => undefined,
    isRedeliveryMeant: true,
    flakiness: 0.2,
  },
];

export const kills: readonly Scenario[] = [...plans, ...frontPlans(plans)].map((plan) => ({
  ...plan,
  isKill: true,
  play: (options) => play(plan, options),
}));

async function play(
  { name, crashAt, isRedeliveryMeant, flakiness, door }: KillPlan,
  { rounds, random }: PlayOptions,
): Promise<Played> {
  await using stage = await Stage.open({ flakiness, door });
  const sender = new Sender(stage.ledger, parcelSource(name, random), door);
  let hits = 0;
  for (let life = 0; life < rounds; life += 1) {
    const point = crashAt(random);
    const sluice = await stage.start({ crashAt: point });
    const isKilled =
      sluice === undefined ||
      (await liveUntilKilled(stage, { sluice, sender, random, isOutside: point === undefined }));
    if (isKilled) hits += 1;
  }
  const { figures, violations } = await stage.finish([sender]);
  if (figures.dead > 0) violations.push(`${figures.dead} requests are dead, and B rejected none`);
  if (isRedeliveryMeant && figures.starts <= figures.effects) violations.push("no request was delivered twice");
  return { trials: rounds, hits, figures, areEffectsOnce: true, violations };
}

interface Life {
  readonly sluice: Sluice;
  readonly sender: Sender;
  readonly random: Random;
  readonly isOutside: boolean;
}

/** Sends until the process is gone; whether it was SIGKILL that ended it. */
async function liveUntilKilled(stage: Stage, { sluice, sender, random, isOutside }: Life): Promise<boolean> {
  await using _sluice = sluice;
  const gone = new AbortController();
  const sending = sender.send({ url: stage.intakeUrl, concurrency, signal: gone.signal, newMax: newPerLifeMax });
  await stage.sampleResults(sender.ids);
  if (isOutside) {
    await Promise.race([sender.acceptedMore(random.between(20, 300)), sending, sluice.exited]); // it may die by itself
    setTimeout(() => sluice.kill("SIGKILL"), random.between(0, 30));
  }
  const { signal } = await sluice.exited;
  gone.abort();
  await sending;
  return signal === "SIGKILL";
}
