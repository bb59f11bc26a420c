// RabbitMQ as three nodes: one dies, then two. With one of three left its queues have no majority and stand still.
import { setTimeout as delay } from "node:timers/promises";
import type { Played } from "../../scenario.ts";
import { BrokerCluster } from "../broker-cluster.ts";
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import type { ClusterStage } from "../cluster-stage.ts";
import { acceptedWithin, whenClear, whenTrue } from "../observe.ts";

export const brokerCluster: ClusterScenario = {
  name: "rabbitmq-nodes",
  numbers: "12",
  needs: ["rabbitmq"],
  fault: "of three nodes of RabbitMQ one is killed, then two",
  isLong: true,
  play,
};

const acceptedLeast = 200;
const effectsLeast = 50;
const downMs = 8_000;
const goesOnMsMax = 30_000;
const clearMsMax = 90_000;
const roundsMax = 2;

async function play(options: ClusterPlayOptions): Promise<Played> {
  await using nodes = await BrokerCluster.open();
  const servers = options.servers.with({ rabbitmq: nodes.front });
  return await underLoad({ ...options, servers }, { name: "broker-nodes", mode: "plain" }, (field) =>
    killNodes(field, nodes),
  );
}

async function killNodes({ stage, sender, rounds, wrong }: Field, nodes: BrokerCluster): Promise<Fault> {
  const trials = Math.min(rounds, roundsMax);
  const replicas = await nodes.replicas(stage.freshLine);
  if (replicas.length === 0 || replicas.some((count) => count < 3))
    wrong.push(`the queues are kept on ${replicas.join()} nodes, not on 3`);
  let hits = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    for (const count of [1, 2]) {
      await sender.acceptedMore(acceptedLeast);
      const from = stage.ledger.lines.length;
      await nodes.kill(count);
      if (count === 1 && !(await goesOn(stage)))
        wrong.push(`deliveries stood still without one node:\n${await nodes.queues()}`);
      await delay(downMs);
      const accepted = acceptedWithin(stage.ledger.lines.slice(from));
      if (accepted === 0) wrong.push(`nothing was accepted while ${count} nodes were out`);
      else hits += 1;
      await nodes.heal();
      wrong.push(...(await whenClear(stage.urls, clearMsMax)));
    }
  }
  return { trials: 2 * trials, hits };
}

async function goesOn(stage: ClusterStage): Promise<boolean> {
  const goal = stage.log("effects").length + effectsLeast;
  return (await whenTrue(() => stage.log("effects").length > goal, goesOnMsMax)) !== undefined;
}
