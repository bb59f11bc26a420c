// A standard output that takes no more: its reader is gone, its terminal closed, its disk full.
import { writeSync } from "node:fs";
import { reasonOf } from "../files/refusal.ts";
import { exitCodes } from "./failure.ts";

type Decide = (error: NodeJS.ErrnoException) => void;

let decide: Decide = leave;

/** From now on such an output ends the command. What standard error no longer takes is dropped: nobody is left to read it. */
export function watchOutput(): void {
  process.stdout.on("error", (error) => decide(error));
  process.stderr.on("error", () => {});
}

/** Until disposed, the command itself decides. */
export function onClosedOutput(act: Decide): Disposable {
  decide = act;
  return {
    [Symbol.dispose]() {
      decide = leave;
    },
  };
}

function leave(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(); // `sluice queues | head -1` is no failure, and a verdict stays what it is
  try {
    writeSync(process.stderr.fd, `sluice: cannot write to standard output: ${reasonOf(error)}\n`);
  } catch {
    // the same terminal, the same disk
  }
  process.exit(exitCodes.failed);
}
