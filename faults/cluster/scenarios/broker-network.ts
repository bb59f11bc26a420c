// The network between the cluster and RabbitMQ breaks: connections are reset, or go silent.
import { setTimeout as delay } from "node:timers/promises";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import { acceptedWithin, residentMiB, whenClear, whenShown, whenTrue } from "../observe.ts";

const stage = { isBrokerProxied: true } as const;

export const brokerNetwork: readonly ClusterScenario[] = [
  {
    name: "amqp-reset",
    numbers: "10",
    needs: ["rabbitmq"],
    fault: "the connections to RabbitMQ are reset, and so are new ones for a while",
    play: (options) => underLoad(options, { name: "reset", mode: "plain", restMs: 20, stage }, reset),
  },
  {
    name: "amqp-half-open",
    numbers: "10",
    needs: ["rabbitmq"],
    fault: "the connections to RabbitMQ go silent and stay open for 35 s",
    play: (options) => underLoad(options, { name: "half-open", mode: "plain", restMs: 100, stage }, freeze),
  },
];

const seenMsMax = 30_000;
const clearMsMax = 30_000;
const frozenMs = 35_000;
const grownMiBMax = 150;

async function reset({ stage, random, rounds, wrong }: Field): Promise<Fault> {
  let hits = 0;
  for (let round = 0; round < rounds; round += 1) {
    await delay(random.between(200, 1_000));
    const from = stage.ledger.lines.length;
    if (stage.brokerProxy.connections > 0) hits += 1;
    stage.brokerProxy.cut();
    const missed = await whenShown(stage.urls, { codes: ["broker-unavailable"], status: 200, msMax: 5_000 });
    await delay(random.between(0, 1_500));
    if ((await whenTrue(() => acceptedWithin(stage.ledger.lines.slice(from)) > 0, seenMsMax)) === undefined)
      wrong.push("nothing was accepted while RabbitMQ was cut off");
    stage.brokerProxy.restore();
    wrong.push(...missed, ...(await whenClear(stage.urls, clearMsMax)));
  }
  return { trials: rounds, hits };
}

async function freeze({ stage, wrong }: Field): Promise<Fault> {
  await delay(1_000);
  const before = stage.gateways.map(({ pid }) => residentMiB(pid ?? 0));
  const from = stage.ledger.lines.length;
  const frozen = stage.brokerProxy.connections;
  stage.brokerProxy.freeze();
  const over = delay(frozenMs);
  wrong.push(...(await whenShown(stage.urls, { codes: ["broker-unavailable"], status: 200, msMax: seenMsMax })));
  await over;
  if (acceptedWithin(stage.ledger.lines.slice(from)) === 0)
    wrong.push("nothing was accepted while RabbitMQ was silent");
  for (const [index, { name, pid }] of stage.gateways.entries()) {
    const grownMiB = residentMiB(pid ?? 0) - (before[index] ?? 0);
    if (grownMiB > grownMiBMax) wrong.push(`${name} has grown by ${Math.round(grownMiB)} MiB meanwhile`);
  }
  stage.brokerProxy.thaw();
  wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  return { trials: 1, hits: frozen > 0 ? 1 : 0 };
}
