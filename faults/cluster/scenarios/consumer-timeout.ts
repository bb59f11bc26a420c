// RabbitMQ closes the channel of a consumer that takes longer to acknowledge than it allows.
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import type { Played } from "../../scenario.ts";
import { whenTrue } from "../observe.ts";

export const consumerTimeout: ClusterScenario = {
  name: "consumer-timeout",
  numbers: "13",
  needs: ["rabbitmq"],
  fault: "RabbitMQ's consumer_timeout is below the handler's time",
  play,
};

const timeoutMs = 5_000;
const handlerMs = 8_000;
const slowCount = 20;
const beginMsMax = 30_000;
const hitMsMax = 30_000;

/** Channels read both settings when they are opened; the interval has no name in rabbitmq.conf. */
function settings(consumerTimeoutMs: number, tickMs: number): string {
  return `application:set_env(rabbit, consumer_timeout, ${consumerTimeoutMs}), application:set_env(rabbit, channel_tick_interval, ${tickMs}).`;
}

async function play(options: ClusterPlayOptions): Promise<Played> {
  const { rabbitmq } = options.servers;
  const { ctl } = await rabbitmq.up();
  await ctl("eval", settings(timeoutMs, 1_000));
  try {
    return await underLoad(options, { name: "consumer-timeout", mode: "plain" }, timeOut);
  } finally {
    await ctl("eval", settings(1_800_000, 60_000));
  }
}

async function timeOut({ stage, servers, wrong }: Field): Promise<Fault> {
  const count = (): number =>
    servers.rabbitmq.now.output().match(/has timed out waiting for (?:delivery|a consumer)/g)?.length ?? 0;
  const before = count();
  await stage.behave(`wait:${handlerMs}`);
  const begun = stage.log("starts").length + slowCount; // receipts do not show it: the first hints take a while
  const beganMs = await whenTrue(() => stage.log("starts").length >= begun, beginMsMax);
  if (beganMs === undefined) wrong.push(`B began not even ${slowCount} requests within ${beginMsMax} ms`);
  await stage.behave("work");
  const ms = await whenTrue(() => count() > before, hitMsMax);
  if (ms === undefined) wrong.push(`RabbitMQ closed no channel within ${hitMsMax} ms`);
  return { trials: 1, hits: count() - before };
}
