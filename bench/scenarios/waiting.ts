import { fileURLToPath } from "node:url";
import { startSluice, temporaryFolder } from "@sluice/testing";
import { Pool } from "undici";
import { body } from "../body.ts";
import { getJson } from "../peers/get-json.ts";
import { endPolitely, profileArgs } from "../peers/node-process.ts";
import type { Peer } from "../peers/peer.ts";
import { usageOf } from "../process-usage.ts";
import type { Figures, Scenario, Settings } from "./scenario.ts";

const configFile = fileURLToPath(new URL("../peers/holding.config.ts", import.meta.url));
const batchLines = 1_000;
const batch = `${JSON.stringify({ body: JSON.parse(body) as unknown })}\n`.repeat(batchLines);
const batchesUnderWay = 4;

/**
 * What a great backlog costs: memory while it builds up and after a crash, and how soon the first
 * request is delivered when the process starts again.
 */
export const waiting: Scenario = {
  name: "waiting",
  title: "a great backlog: sent in batches, then the process is killed and started again",
  figure: "firstDeliverySeconds",
  peers: ["sluice"],
  bounds: [
    { kind: "limit", of: "sluice", figure: "firstDeliverySeconds", atMost: 2 },
    { kind: "limit", of: "sluice", figure: "peakRssMb", atMost: 300 },
    { kind: "limit", of: "sluice", figure: "restartedRssMb", atMost: 300 },
  ],
  async measure(_peer: Peer, settings: Settings): Promise<Figures> {
    await using folder = await temporaryFolder();
    const filled = await fill(folder.path, settings.waiting);
    const restarted = await restart(folder.path, settings);
    return {
      perSecond: filled.perSecond,
      requests: settings.waiting,
      firstDeliverySeconds: restarted.firstDeliverySeconds,
      peakRssMb: filled.peakRssMb,
      restartedRssMb: restarted.peakRssMb,
    };
  },
};

interface Filled {
  readonly perSecond: number;
  readonly peakRssMb: number;
}

/** Sends the backlog in batches, then kills the process. */
async function fill(dataFolder: string, requests: number): Promise<Filled> {
  await using child = await startSluice({ dataFolder, configFile });
  const pool = new Pool(child.url, { connections: batchesUnderWay });
  const startedAt = performance.now();
  let left = Math.ceil(requests / batchLines);
  const send = async (): Promise<void> => {
    for (; left > 0;) {
      left -= 1;
      await sendBatch(pool);
    }
  };
  await Promise.all(Array.from({ length: batchesUnderWay }, send));
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  await pool.close();
  return { perSecond: requests / elapsedSeconds, peakRssMb: usageOf([child.pid]).peakRssMb };
}

async function sendBatch(pool: Pool): Promise<void> {
  const headers = { "content-type": "application/x-ndjson" };
  const answer = await pool.request({ method: "POST", path: "/v1/queues/orders/batches", headers, body: batch });
  const text = await answer.body.text();
  if (answer.statusCode !== 202) throw new Error(`a batch was answered with ${answer.statusCode}: ${text}`);
}

interface Restarted {
  readonly firstDeliverySeconds: number;
  readonly peakRssMb: number;
}

async function restart(dataFolder: string, { waiting: requests, profileFolder }: Settings): Promise<Restarted> {
  const startedAt = performance.now();
  const child = await startSluice({ dataFolder, configFile, nodeArgs: profileArgs(profileFolder) });
  await using _ending = { [Symbol.asyncDispose]: () => endPolitely(child) };
  await child.line(/^delivered /);
  const firstDeliverySeconds = (performance.now() - startedAt) / 1_000;
  const queue = (await getJson(`${child.url}/v1/queues/orders`)) as { readonly backlog: number };
  if (queue.backlog < requests) throw new Error(`${requests} were accepted, ${queue.backlog} wait after the restart`);
  return { firstDeliverySeconds, peakRssMb: usageOf([child.pid]).peakRssMb };
}
