import { fileURLToPath } from "node:url";
import type { Sluice } from "@sluice/testing";
import { Stage, stopGracefully } from "../stage.ts";
import { resultsRead, type Field } from "./field.ts";

export const loadConfig = fileURLToPath(new URL("./load.config.ts", import.meta.url));

export async function openEmbeddedField({ retention = "7d" }: { readonly retention?: string } = {}): Promise<Field> {
  await using resources = new AsyncDisposableStack();
  const stage = resources.use(await Stage.open({ configFile: loadConfig }));
  let sluice: Sluice = await stage.startAlive({ args: ["--retention", retention] });
  resources.defer(() => sluice[Symbol.asyncDispose]());
  const owned = resources.move();
  return {
    urls: [stage.url],
    ledger: stage.ledger,
    folder: stage.folder,
    residents: () => [{ name: "sluice up", pid: sluice.pid }],
    async restart(kept) {
      await stopGracefully(sluice);
      sluice = await stage.startAlive({ args: ["--retention", kept] });
    },
    async finish() {
      await stopGracefully(sluice);
      return stage.finish([], { resultsMax: resultsRead });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
