// A script of ours in namespaces of its own. What runs in there is seen, reached and mounted by nobody outside, and the
// kernel ends all of it with the script's process, however that went.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { findProgram } from "@sluice/testing";

export interface JailOptions {
  readonly script: URL;
  readonly args: readonly string[];
  /** `own`: nothing but a loopback of its own, where every port is free. */
  readonly network: "machine" | "own";
  /** Asks the script to stop; see `released`. */
  readonly stop: AbortSignal;
  /** Ends it at once. */
  readonly kill: AbortSignal;
}

/** Runs the script to its end; resolves to its exit code. */
export async function runJailed({ script, args, network, stop, kill }: JailOptions): Promise<number> {
  const unshare = findProgram({ program: "unshare", debianPackage: "util-linux" });
  const namespaces = ["--mount", "--pid", "--fork", "--mount-proc", ...(network === "own" ? ["--net"] : [])];
  const child = spawn(
    unshare,
    [...namespaces, "--kill-child=SIGKILL", process.execPath, fileURLToPath(script), ...args],
    // Out of reach for a terminal's Ctrl-C, which would end what the script started before the script knows.
    { stdio: ["ignore", "inherit", "inherit", "ipc"], detached: true },
  );
  const release = (): void => {
    if (child.connected) child.disconnect();
  };
  const end = (): void => void child.kill("SIGKILL");
  stop.addEventListener("abort", release);
  kill.addEventListener("abort", end);
  try {
    if (stop.aborted) release();
    const [code] = (await once(child, "exit")) as [number | null];
    return code ?? 1;
  } finally {
    stop.removeEventListener("abort", release);
    kill.removeEventListener("abort", end);
  }
}

/** In the script: aborted once it is to stop, because it was asked to or because who started it is gone. */
export function released(): AbortSignal {
  const controller = new AbortController();
  process.once("disconnect", () => controller.abort());
  process.channel?.unref(); // it must not keep the script from its end
  return controller.signal;
}
