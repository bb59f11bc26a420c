// RabbitMQ dies, forgets everything, or has a queue taken away, while requests come in.
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "amqplib";
import { saidOfLost } from "../../../packages/sluice/src/engines/cluster/leader/lost-hints.ts";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import { acceptedWithin, countSaid, order, whenClear, whenShown, whenTrue } from "../observe.ts";

export const brokerOutages: readonly ClusterScenario[] = [
  {
    name: "rabbitmq-killed",
    numbers: "7",
    needs: ["rabbitmq"],
    fault: "RabbitMQ killed under load, and started again on its folder",
    play: (options) => underLoad(options, { name: "broker-killed", mode: "plain" }, killBroker),
  },
  {
    name: "rabbitmq-wiped",
    numbers: "8",
    needs: ["rabbitmq"],
    fault: "RabbitMQ killed with a backlog in it, its data deleted, started empty",
    play: (options) => underLoad(options, { name: "broker-wiped", mode: "plain", isHintLossMeant: true }, wipeBroker),
  },
  {
    name: "queue-deleted",
    numbers: "9",
    needs: ["rabbitmq"],
    fault: "the queue of hints deleted while they are published",
    play: (options) =>
      underLoad(options, { name: "queue-deleted", mode: "plain", isHintLossMeant: true, restMs: 20 }, deleteQueue),
  },
  {
    name: "queue-purged",
    numbers: "9",
    needs: ["rabbitmq"],
    fault: "the queue of hints emptied with a backlog in it: nothing shows that it has lost any",
    play: (options) => underLoad(options, { name: "queue-purged", mode: "plain", isHintLossMeant: true }, purgeQueue),
  },
];

const downMs = 5_000;
const clearMsMax = 30_000;
const backlogLeast = 500;
/** How old the head of a queue must be, and how long it must stand still, before it is taken for lost; and the look. */
const stillMsMax = 75_000;

async function killBroker({ stage, servers, wrong }: Field): Promise<Fault> {
  await delay(1_000);
  await servers.rabbitmq.kill();
  const from = stage.ledger.lines.length;
  wrong.push(...(await whenShown(stage.urls, { codes: ["broker-unavailable"], status: 200, msMax: downMs })));
  await delay(downMs);
  const accepted = acceptedWithin(stage.ledger.lines.slice(from));
  if (accepted === 0) wrong.push("nothing was accepted while RabbitMQ was out");
  await servers.rabbitmq.up();
  wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  return { trials: 1, hits: accepted > 0 ? 1 : 0 };
}

/** The queue is paused, so that the hints are with RabbitMQ when it is wiped. */
async function wipeBroker({ stage, servers, sender, wrong }: Field): Promise<Fault> {
  await order(stage.urls[0], "pause");
  await sender.acceptedMore(backlogLeast);
  await (await servers.rabbitmq.kill()).wipe();
  await servers.rabbitmq.up();
  const msLost = await whenTrue(() => countSaid(stage.members, saidOfLost.queue) > 0, clearMsMax);
  if (msLost === undefined) wrong.push("nobody noticed that RabbitMQ has lost the queue");
  await order(stage.urls[0], "resume");
  wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  return { trials: 1, hits: msLost === undefined ? 0 : 1 };
}

/** The load ends with it: a backlog that nobody moves is what shows. */
async function purgeQueue({ stage, servers, sender, load, wrong }: Field): Promise<Fault> {
  await order(stage.urls[0], "pause");
  await sender.acceptedMore(backlogLeast);
  await load.stop();
  const connection = await connect(servers.rabbitmq.now.url);
  const { messageCount } = await (await connection.createChannel()).purgeQueue(stage.freshLine);
  await connection.close();
  await order(stage.urls[0], "resume");
  const msLost = await whenTrue(() => countSaid(stage.members, saidOfLost.hints) > 0, stillMsMax);
  if (msLost === undefined) wrong.push(`nobody noticed that ${messageCount} hints are gone`);
  return { trials: 1, hits: messageCount > 0 && msLost !== undefined ? 1 : 0 };
}

async function deleteQueue({ stage, servers, random, rounds, wrong }: Field): Promise<Fault> {
  const connection = await connect(servers.rabbitmq.now.url);
  const channel = await connection.createChannel();
  let hits = 0;
  for (let round = 0; round < rounds; round += 1) {
    await delay(random.between(200, 1_500));
    const line = random.next() < 0.7 ? stage.freshLine : `${stage.freshLine}.again`;
    await channel.deleteQueue(line);
    const ms = await whenTrue(() => exists(connection, line), clearMsMax);
    if (ms === undefined) wrong.push(`${line} was not declared again within ${clearMsMax} ms`);
    else hits += 1;
  }
  await connection.close();
  return { trials: rounds, hits };
}

/** On a channel of its own, which is closed when the queue is not there. */
async function exists(connection: Awaited<ReturnType<typeof connect>>, line: string): Promise<boolean> {
  const channel = await connection.createChannel();
  channel.on("error", () => undefined); // told by the answer
  try {
    await channel.checkQueue(line);
    await channel.close();
    return true;
  } catch {
    return false;
  }
}
