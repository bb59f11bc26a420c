// Service B as a stage sees it: a process of its own, whose behaviour can be changed while it runs.
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";
import type { Door } from "./door.ts";

export interface TargetOptions {
  /** Where it keeps its logs. */
  readonly folder: string;
  /** `honours-key`: a key's effect is made once. `plain`: an effect for each start that comes to its end. */
  readonly mode?: "honours-key" | "plain" | undefined;
  /** The chance that B fails before its effect, and that it breaks off after it. */
  readonly flakiness?: number | undefined;
  /** Where its calls come from; the API unless given. */
  readonly door?: Door | undefined;
}

/**
 * How B answers from now on. `reject`: every request with 400. `wait:MS`: so many milliseconds after its start.
 * `later:S`: with 500, and a Retry-After of so many seconds.
 */
export type Behaviour = "work" | "reject" | `wait:${number}` | `later:${number}`;

export interface Target extends AsyncDisposable {
  /** Where requests are posted to; below it the calls of the front. */
  readonly url: string;
  behave(behaviour: Behaviour): Promise<void>;
}

const serviceB = fileURLToPath(new URL("./service-b.ts", import.meta.url));

/** Who waits for B's response is to be waiting when a process is killed. */
const slow: Behaviour = "wait:20";

export async function startTarget(options: TargetOptions): Promise<Target> {
  const { folder, mode = "honours-key", flakiness = 0, door = "api" } = options;
  const child = await startChild({ command: process.execPath, args: [serviceB, folder, mode, String(flakiness)] });
  const [, url = ""] = await child.line(/listens on (http:\S+)/);
  const behave = async (behaviour: Behaviour): Promise<void> => {
    await fetch(`${url}/behaviour`, { method: "PUT", body: behaviour });
  };
  if (door === "front-wait") await behave(slow);
  return {
    url: `${url}/${door === "front" || door === "front-wait" ? "front" : "work"}`,
    behave,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
