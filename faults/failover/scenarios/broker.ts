// RabbitMQ as three nodes, of which two die: its queues have no majority and stand still. Receipts go on, for the ledger
// has what is accepted; deliveries go on once the nodes are back.
import { setTimeout as delay } from "node:timers/promises";
import { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { whenClear } from "../../cluster/observe.ts";
import type { Played } from "../../scenario.ts";
import { recover, underFailover, type FailoverPlayOptions, type FailoverScenario, type Field } from "../failover.ts";

const downMs = 5_000;
const clearMsMax = 90_000;

export const broker: FailoverScenario = {
  name: "rabbitmq-majority",
  needs: ["rabbitmq"],
  fault: "two of three nodes of RabbitMQ killed, and started again",
  roundsMax: 5,
  play,
};

async function play(options: FailoverPlayOptions): Promise<Played> {
  await using nodes = await BrokerCluster.open();
  const setting = { name: "rabbitmq-majority", servers: { rabbitmq: nodes.front } };
  return await underFailover(options, setting, (field) => killAgainAndAgain(field, nodes));
}

async function killAgainAndAgain(field: Field, nodes: BrokerCluster): Promise<void> {
  const { stage, sender, random, rounds, wrong } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    await recover(field, () => nodes.kill(2));
    await delay(downMs);
    await nodes.heal();
    wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  }
}
