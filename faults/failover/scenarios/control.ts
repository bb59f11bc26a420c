// The negative control: an asynchronous standby that fell behind is promoted. Receipts were given for what it lacks, so
// this must lose, or the other scenarios prove nothing; and `sluice audit` must name what is missing.
import { setTimeout as delay } from "node:timers/promises";
import { promote, underFailover, type FailoverScenario, type Field } from "../failover.ts";

const heldBackMs = 1_500;

export const control: FailoverScenario = {
  name: "asynchronous",
  fault: "negative control: the standby is asynchronous and held back, the primary killed, the standby promoted",
  isLossMeant: true,
  play: async (options) => {
    const played = await underFailover(options, { name: "asynchronous", isSynchronous: false }, loseAgainAndAgain);
    return played;
  },
};

async function loseAgainAndAgain(field: Field): Promise<void> {
  const { pair, sender, random, rounds } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    await pair.holdBack();
    await delay(heldBackMs);
    await pair.kill(pair.primary);
    await promote(field);
    await pair.rejoin();
  }
}
