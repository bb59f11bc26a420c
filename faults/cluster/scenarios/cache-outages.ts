// Redis dies, forgets, or throws out what it likes, while it shares the workers' rate and carries their notices.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import { acceptedWithin, whenClear, whenShown, whenTrue } from "../observe.ts";

export const cacheOutages: readonly ClusterScenario[] = [
  {
    name: "redis-killed",
    numbers: "15",
    needs: ["redis"],
    fault: "Redis killed, and started again empty",
    play: (options) => underLoad(options, { name: "cache-killed", mode: "plain", restMs: 20, stage }, killCache),
  },
  {
    name: "redis-flushed",
    numbers: "15",
    needs: ["redis"],
    fault: "Redis flushed again and again, then full and evicting",
    play: (options) => underLoad(options, { name: "cache-flushed", mode: "plain", restMs: 20, stage }, forget),
  },
];

/** So that the workers share a rate by way of Redis; more than the load. */
const stage = { workerArgs: ["--queue", "orders", "--rate", "3600000/h"] } as const;
const downMs = 3_000;
const clearMsMax = 30_000;

async function killCache({ stage, servers, rounds, wrong }: Field): Promise<Fault> {
  const trials = Math.min(rounds, 2);
  let hits = 0;
  for (let round = 0; round < trials; round += 1) {
    await delay(1_000);
    await servers.redis.kill();
    const from = stage.ledger.lines.length;
    const effects = stage.log("effects").length;
    wrong.push(...(await whenShown(stage.urls, { codes: ["cache-unavailable"], status: 200, msMax: 5_000 })));
    await delay(downMs);
    if (acceptedWithin(stage.ledger.lines.slice(from)) === 0) wrong.push("nothing was accepted while Redis was out");
    if ((await whenTrue(() => stage.log("effects").length > effects, clearMsMax)) === undefined)
      wrong.push("nothing was delivered while Redis was out");
    await servers.redis.up();
    wrong.push(...(await whenClear(stage.urls, clearMsMax)));
    hits += 1;
  }
  return { trials, hits };
}

async function forget({ stage, servers, rounds, wrong }: Field): Promise<Fault> {
  const { port } = servers.redis.now;
  for (let round = 0; round < rounds; round += 1) {
    await delay(300);
    await command(port, ["FLUSHALL"]);
  }
  await command(port, ["CONFIG SET maxmemory-policy allkeys-lru", "CONFIG SET maxmemory 2mb"]);
  const effects = stage.log("effects").length;
  for (let round = 0; round < 10; round += 1) {
    const junk = "x".repeat(1_000);
    await command(
      port,
      Array.from({ length: 500 }, (_, index) => `SET junk-${round}-${index} ${junk}`),
    );
    await delay(100);
  }
  const [, evicted = "0"] = /evicted_keys:(\d+)/.exec(await command(port, ["INFO stats"])) ?? [];
  if (Number(evicted) === 0) wrong.push("Redis evicted nothing");
  if ((await whenTrue(() => stage.log("effects").length > effects, clearMsMax)) === undefined)
    wrong.push("nothing was delivered while Redis was evicting");
  await command(port, ["CONFIG SET maxmemory 0", "CONFIG SET maxmemory-policy noeviction", "FLUSHALL"]);
  return { trials: rounds + 1, hits: rounds + (Number(evicted) > 0 ? 1 : 0) };
}

/** Sends commands as a person would, in lines; all that comes back until Redis has ended the connection. */
async function command(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString();
  });
  socket.write(`${[...lines, "QUIT"].join("\r\n")}\r\n`);
  await once(socket, "close");
  if (answer.includes("-ERR")) throw new Error(`redis-server answered ${answer.slice(0, 200)}`);
  return answer;
}
