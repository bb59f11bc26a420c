// Sluice, put to what the textbook is put to: killed right after a claim (the crash point effect-pending), or from outside.
// Embedded, the worker's process is the gateway's as well, and all of it dies.
import { fileURLToPath } from "node:url";
import { lastingPort, sluiceCommand, startChild } from "@sluice/testing";
import type { CarrierChoice, Child } from "@sluice/testing";
import { openCluster } from "../peers/cluster.ts";
import { getJson } from "../peers/get-json.ts";
import { openFolder, workingConfig } from "../peers/sluice.ts";
import { holdingConfig } from "./fill.ts";
import type { Subject } from "./loss-subject.ts";

const unhurriedConfig = fileURLToPath(new URL("../peers/unhurried.config.ts", import.meta.url));

/** `sluice up` over a data folder. It takes the requests in while it holds on to the first one, and is killed then, too. */
export async function putFolderToLoss(dataFolder: string): Promise<Subject> {
  const port = String(await lastingPort());
  const url = `http://127.0.0.1:${port}`;
  return {
    async takeIn(send) {
      await using store = await openFolder(dataFolder);
      await using holding = await store.start({ configFile: holdingConfig, isWorking: true });
      const ids = await send(holding.intakeUrl);
      await holding.kill();
      return ids;
    },
    startWorker: (killAtClaim) => startSluice(["up", "--data", dataFolder, "--port", port], { killAtClaim }),
    progress: async () => (await readQueue(url))?.counts.done,
    isDrained: async () => (await readQueue(url))?.backlog === 0,
    requestsUrl: () => `${url}/v1/requests`,
    async [Symbol.asyncDispose]() {},
  };
}

/** A cluster's gateway goes on while its worker dies. */
export async function putClusterToLoss(choice?: CarrierChoice): Promise<Subject> {
  await using resources = new AsyncDisposableStack();
  const store = resources.use(await openCluster(choice));
  const gateway = resources.use(await store.start({ configFile: workingConfig, isWorking: false }));
  const url = new URL(gateway.intakeUrl).origin;
  const owned = resources.move();
  return {
    takeIn: (send) => send(gateway.intakeUrl),
    startWorker: (killAtClaim) => startSluice(["worker"], { killAtClaim, env: store.env }),
    progress: async () => (await readQueue(url))?.counts.done,
    isDrained: async () => (await readQueue(url))?.backlog === 0,
    requestsUrl: () => `${url}/v1/requests`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface StartOptions {
  readonly killAtClaim: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves once it runs, ready or not: it may be killed before it is. */
function startSluice(words: readonly string[], { killAtClaim, env }: StartOptions): Promise<Child> {
  return startChild({
    command: process.execPath,
    args: [sluiceCommand, ...words, "--config", unhurriedConfig],
    env: { ...env, SLUICE_CRASH_AT: killAtClaim === undefined ? undefined : `effect-pending:${killAtClaim}` },
  });
}

interface Queue {
  readonly backlog: number;
  readonly counts: { readonly done: number };
}

/** Undefined while nobody listens. */
async function readQueue(url: string): Promise<Queue | undefined> {
  try {
    return (await getJson(`${url}/v1/queues/orders`)) as Queue;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // the connection was refused, or broken off
    throw error;
  }
}
