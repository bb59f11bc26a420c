// A switchover on purpose: the primary becomes read-only and closes no connection, then the standby is promoted. The old
// primary goes on answering, as one that can only be read.
import { promote, rejoin, underFailover, type FailoverScenario, type Field } from "../failover.ts";

export const switchovers: readonly FailoverScenario[] = (["hosts", "address"] as const).map((front) => {
  const name = front === "hosts" ? "switchover" : `switchover-${front}`;
  const where = front === "hosts" ? "the processes know both hosts" : "behind one address";
  return {
    name,
    fault: `the primary becomes read-only without closing a connection, standby promoted; ${where}`,
    play: (options) => underFailover(options, { name, front }, switchAgainAndAgain),
  };
});

async function switchAgainAndAgain(field: Field): Promise<void> {
  const { pair, sender, random, rounds } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    await pair.alter(pair.primary, "default_transaction_read_only", "on");
    await promote(field);
    await rejoin(field);
  }
}
