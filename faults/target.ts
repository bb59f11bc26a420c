// Service B as a stage sees it: a process of its own, whose behaviour can be changed while it runs.
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";

export interface TargetOptions {
  /** Where it keeps its logs. */
  readonly folder: string;
  /** `honours-key`: a key's effect is made once. `plain`: an effect for each start that comes to its end. */
  readonly mode?: "honours-key" | "plain" | undefined;
  /** The chance that B fails before its effect, and that it breaks off after it. */
  readonly flakiness?: number | undefined;
}

/**
 * How B answers from now on. `reject`: every request with 400. `wait:MS`: so many milliseconds after its start.
 * `later:S`: with 500, and a Retry-After of so many seconds.
 */
export type Behaviour = "work" | "reject" | `wait:${number}` | `later:${number}`;

export interface Target extends AsyncDisposable {
  /** Where requests are posted to. */
  readonly url: string;
  behave(behaviour: Behaviour): Promise<void>;
}

const serviceB = fileURLToPath(new URL("./service-b.ts", import.meta.url));

export async function startTarget({ folder, mode = "honours-key", flakiness = 0 }: TargetOptions): Promise<Target> {
  const child = await startChild({ command: process.execPath, args: [serviceB, folder, mode, String(flakiness)] });
  const [, url = ""] = await child.line(/listens on (http:\S+)/);
  return {
    url: `${url}/work`,
    async behave(behaviour) {
      await fetch(`${url}/behaviour`, { method: "PUT", body: behaviour });
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
