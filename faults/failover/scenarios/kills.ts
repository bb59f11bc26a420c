// The primary dies with all its backends, and its standby is promoted.
import { setTimeout as delay } from "node:timers/promises";
import {
  promote,
  rejoin,
  underFailover,
  type FailoverScenario,
  type FailoverSetting,
  type Field,
} from "../failover.ts";
import { frontNames, type FrontName } from "../fronts.ts";

const faults: Readonly<Record<FrontName, string>> = {
  hosts: "primary killed, standby promoted; the processes know both hosts",
  address: "primary killed, standby promoted; one address leads to the primary",
  haproxy: "primary killed, standby promoted; behind HAProxy",
  pgbouncer: "primary killed, standby promoted; behind PgBouncer in transaction mode",
};
const firstReceiptMsMax = 2_000;

/** One for each way to reach the primary. */
export const kills: readonly FailoverScenario[] = [
  ...frontNames.map((front) => {
    const name = front === "hosts" ? "kill" : `kill-${front}`;
    return killing(faults[front], { name, front });
  }),
  killing(`${faults.hosts}; each request has one of 12 order keys, a group and an urgency`, {
    name: "kill-ordered",
    door: "ordered",
  }),
];

function killing(fault: string, setting: FailoverSetting): FailoverScenario {
  return { name: setting.name, fault, play: (options) => underFailover(options, setting, killAgainAndAgain) };
}

async function killAgainAndAgain(field: Field): Promise<void> {
  const { pair, sender, random, rounds, wrong, recoveries } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    await delay(random.between(0, 50));
    await pair.kill(pair.primary);
    await delay(random.between(100, 1_500)); // until the manager of failovers notices
    await promote(field);
    await rejoin(field);
  }
  const late = recoveries.filter(({ firstReceiptMs }) => firstReceiptMs > firstReceiptMsMax).length;
  if (late > 0) wrong.push(`the first receipt came later than ${firstReceiptMsMax} ms after ${late} promotions`);
}
