// Processes of the cluster are killed again and again, at a point of their code or from outside, while a client sends.
import { setTimeout as delay } from "node:timers/promises";
import type { Door } from "../../door.ts";
import { frontPlans } from "../../scenarios/front-plans.ts";
import type { Played } from "../../scenario.ts";
import { seededRandom, type Random } from "../../../packages/sluice/src/core/seeded-random.ts";
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import type { Role } from "../member.ts";

interface KillPlan extends Pick<ClusterScenario, "name" | "numbers" | "fault" | "needs"> {
  /** Whose processes are killed; of any role unless given. */
  readonly role?: Role;
  /** SLUICE_CRASH_AT of one life; killed from outside unless given. */
  readonly crashAt?: (random: Random) => string;
  readonly flakiness?: number;
  readonly door?: Door;
  readonly isRedeliveryMeant?: true;
  /** It strikes only where requests stand in lines. */
  readonly isOrderedOnly?: true;
  /** Some clients get no answer and send again. */
  readonly isUnknownMeant?: true;
}

const hitMsMax = 120_000;
const restMs = 10;

const plans: readonly KillPlan[] = [
  {
    name: "kill-accept-committed",
    numbers: "2, 3",
    fault: "gateways killed after the commit, before the answer and before publishing",
    role: "gateway",
    crashAt: (random) => `accept-committed:${random.between(20, 150)}`,
    isUnknownMeant: true,
  },
  {
    name: "kill-published",
    numbers: "3",
    needs: ["rabbitmq"],
    fault: "gateways killed after publishing, before RabbitMQ confirmed",
    role: "gateway",
    crashAt: (random) => `published:${random.between(20, 150)}`,
  },
  {
    name: "kill-confirmed",
    numbers: "3",
    needs: ["rabbitmq"],
    fault: "gateways killed after RabbitMQ's confirm, before the outbox is cleared",
    role: "gateway",
    crashAt: (random) => `confirmed:${random.between(20, 150)}`,
  },
  {
    name: "kill-hints-taken",
    numbers: "4",
    needs: ["no rabbitmq"],
    fault: "workers killed after they have taken hints from the ledger, before they claim",
    role: "worker",
    crashAt: (random) => `hints-taken:${random.between(5, 30)}`,
  },
  {
    name: "kill-effect-pending",
    numbers: "4, 6",
    fault: "workers killed right after their claim, before the effect",
    role: "worker",
    // Far enough in that whoever was in flight at the last crash is through by then.
    crashAt: (random) => `effect-pending:${random.between(50, 150)}`,
  },
  {
    name: "kill-effect-made",
    numbers: "4",
    fault: "workers killed after the effect, before the outcome",
    role: "worker",
    crashAt: (random) => `effect-made:${random.between(50, 150)}`,
    isRedeliveryMeant: true,
  },
  {
    name: "kill-outcome-committed",
    numbers: "5",
    fault: "workers killed after the outcome, before the acknowledgement",
    role: "worker",
    crashAt: (random) => `outcome-committed:${random.between(50, 150)}`,
  },
  {
    name: "kill-lines-handed-out",
    numbers: "3, 4",
    fault: "gateways killed after they have handed out what stood in lines, before any carrier is told",
    role: "gateway",
    crashAt: (random) => `lines-handed-out:${random.between(10, 60)}`,
    isOrderedOnly: true,
  },
  {
    name: "kill-outside",
    numbers: "3 to 6",
    fault: "any of the five processes killed from outside, while B fails one in ten and breaks off one in ten",
    isRedeliveryMeant: true,
    flakiness: 0.1,
  },
];

const unordered = plans.filter(({ isOrderedOnly }) => isOrderedOnly !== true);
export const kills: readonly ClusterScenario[] = [...unordered, ...frontPlans(plans)].map((plan) => ({
  ...plan,
  isKill: true,
  play: (options) => play(plan, options),
}));

async function play(plan: KillPlan, options: ClusterPlayOptions): Promise<Played> {
  const { rounds, random } = options;
  const points = seededRandom(random.between(0, 2 ** 31), "points"); // lives and parcels draw in no set order
  let isEnough = false;
  const crashAt = (role: Role): string | undefined =>
    role === plan.role && !isEnough ? plan.crashAt?.(points) : undefined;
  const { name, isRedeliveryMeant = false, flakiness, door } = plan;
  const stageOptions = { crashAt, flakiness, door };
  const setting = { name, mode: "honours-key", isRedeliveryMeant, restMs, stage: stageOptions } as const;
  const played = await underLoad(options, setting, async (field) => {
    const { stage, wrong } = field;
    if (plan.crashAt === undefined) return killAny(field);
    if (!(await stage.killsReach(rounds, hitMsMax))) wrong.push(`killed ${stage.kills} times in ${hitMsMax} ms`);
    isEnough = true;
    return { trials: rounds, hits: stage.kills };
  });
  const isAnswered = plan.isUnknownMeant === true && played.figures.unknown === 0;
  const violations = isAnswered ? [...played.violations, "every client got an answer"] : played.violations;
  return { ...played, violations };
}

async function killAny({ stage, sender, random, rounds }: Field): Promise<Fault> {
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(20, 150)); // however slow the machine is
    await delay(random.between(0, 30));
    const member = stage.members[random.between(0, stage.members.length - 1)];
    await member?.ready();
    const reached = stage.killsReach(round + 1, hitMsMax);
    member?.kill("SIGKILL");
    await reached;
  }
  return { trials: rounds, hits: stage.kills };
}
