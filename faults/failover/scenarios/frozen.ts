// The primary freezes, as a machine does whose disk hangs or that is paused: its connections stay open and say nothing.
// Its standby is promoted meanwhile. Once it thaws it still takes itself for the primary, until the manager of
// failovers ends it: nothing that it does then may come back or count.
import { setTimeout as delay } from "node:timers/promises";
import { promote, rejoin, underFailover, type FailoverScenario, type Field } from "../failover.ts";

const noticedMs = 1_000;
const unfencedMs = 1_000;

export const frozen: readonly FailoverScenario[] = [
  {
    name: "frozen-20s",
    fault: "primary frozen for 20 s, standby promoted meanwhile; thawed for a second, then killed",
    roundsMax: 4,
    play: (options) => underFailover(options, { name: "frozen-20s" }, (field) => freeze(field, 20_000)),
  },
  {
    name: "frozen-60s",
    fault: "primary frozen for 60 s, standby promoted meanwhile; thawed for a second, then killed",
    roundsMax: 2,
    play: (options) => underFailover(options, { name: "frozen-60s" }, (field) => freeze(field, 60_000)),
  },
];

async function freeze(field: Field, ms: number): Promise<void> {
  const { pair, sender, random, rounds } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    const old = pair.primary;
    old.killAll("SIGSTOP");
    const thawsAt = performance.now() + ms;
    await delay(noticedMs);
    await promote(field);
    await delay(Math.max(0, thawsAt - performance.now()));
    old.killAll("SIGCONT");
    await delay(unfencedMs);
    await rejoin(field); // ends the old primary first
  }
}
