// A wall clock that tests move while the programs under it run: Debian's libfaketime. Monotonic clocks stay true.
import { globSync } from "node:fs";
import { chmod, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface FakeClock extends AsyncDisposable {
  /** For the environment of the programs. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on their clock is so far ahead of the true one, or behind it. */
  step(aheadMs: number): Promise<void>;
}

/** Starts true. */
export async function openFakeClock(): Promise<FakeClock> {
  findProgram({ program: "faketime", debianPackage: "faketime" });
  const [library = "libfaketimeMT.so.1"] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755); // PostgreSQL reads it as another user
  const file = join(folder.path, "ahead");
  const clock: FakeClock = {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
      NO_FAKE_STAT: "1",
    },
    async step(aheadMs) {
      const next = `${file}.next`; // a file that is read halfway through its writing is no time
      await writeFile(next, `${aheadMs < 0 ? "" : "+"}${aheadMs / 1_000}\n`);
      await rename(next, file);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  await clock.step(0);
  return clock;
}
