import { execFileSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "@sluice/testing";
import { SkippedError } from "./scenario.ts";

export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Leaves as much room as this. */
  fill(freeBytes: number): void;
  /** Takes away what `fill` put there. */
  empty(): void;
}

/** A disk of its own in memory: only root may make one. */
export async function smallDisk(sizeMiB: number): Promise<SmallDisk> {
  const folder = await temporaryFolder();
  const { path } = folder;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", path], { stdio: "pipe" });
  } catch (cause) {
    await folder[Symbol.asyncDispose]();
    throw new SkippedError("needs root on Linux, to mount a small disk", { cause });
  }
  const ballast = join(path, "ballast");
  return {
    path,
    fill(freeBytes) {
      const { bavail, bsize } = statfsSync(path);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
    },
    empty: () => rmSync(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
