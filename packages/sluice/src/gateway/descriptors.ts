// Whether this process can still open anything. Without a file descriptor the system hands a new connection over only to be closed:
// Node tells nobody, and to the client it looks as if the gateway hung up. So one is opened now and then, to see.
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import type { Failure } from "../core/request.ts";
import type { Logger } from "../telemetry/log.ts";

const lookEveryMs = 1_000;
const outOfDescriptors: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE"]);

export class Descriptors implements Disposable {
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #problem: Failure | undefined;

  constructor(log: Logger) {
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref();
  }

  get problem(): Failure | undefined {
    return this.#problem;
  }

  #look(): void {
    const found = problemNow();
    if (found !== undefined && this.#problem === undefined) this.#log.error(found, "new connections are dropped");
    if (found === undefined && this.#problem !== undefined) this.#log.info("there are file descriptors again");
    this.#problem = found;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function problemNow(): Failure | undefined {
  try {
    closeSync(openSync(devNull, "r"));
    return undefined;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (!outOfDescriptors.has(code)) return undefined;
    const where = code === "EMFILE" ? "this process: raise its limit (ulimit -n, LimitNOFILE=)" : "this system";
    return { code: "out-of-descriptors", message: `no file descriptor is left in ${where}` };
  }
}
