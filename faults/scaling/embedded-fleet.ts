import { fileURLToPath } from "node:url";
import type { Sluice } from "@sluice/testing";
import { resultsRead } from "../load/field.ts";
import { Stage, stopGracefully } from "../stage.ts";
import { scaling } from "./burst-shape.ts";
import type { Fleet } from "./fleet.ts";

export const burstConfig = fileURLToPath(new URL("./burst.config.ts", import.meta.url));

/** `sluice up` with worker processes: what decides, the store and the gateway are one process. */
export async function openEmbeddedFleet(): Promise<Fleet> {
  await using resources = new AsyncDisposableStack();
  const args = ["--processes", `${scaling.min}..${scaling.max}`, "--log-level", "info"];
  const stage = resources.use(await Stage.open({ configFile: burstConfig, args }));
  let sluice: Sluice = await stage.startAlive();
  resources.defer(() => sluice[Symbol.asyncDispose]());
  const ended: string[] = [];
  const owned = resources.move();
  return {
    url: stage.url,
    ledger: stage.ledger,
    hasLeader: false,
    async killAutoscaler() {
      sluice.kill("SIGKILL");
      await sluice.exited;
      ended.push(sluice.output());
      sluice = await stage.startAlive();
    },
    logs: () => [...ended, sluice.output()],
    async finish() {
      const { code, signal } = await stopGracefully(sluice);
      const { figures, violations } = await stage.finish([], { resultsMax: resultsRead });
      if (code !== 0) violations.push(`SIGTERM ended it with ${signal ?? code}`);
      return { figures, violations };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
