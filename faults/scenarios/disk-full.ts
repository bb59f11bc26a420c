import { execFileSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "@sluice/testing";
import { parcelOf, type Parcel } from "../parcel.ts";
import type { Random } from "../random.ts";
import { SkippedError, type Played, type PlayOptions, type Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { Stage } from "../stage.ts";

export const diskFull: Scenario = {
  name: "disk-full",
  numbers: "19",
  fault: "the data folder's disk runs full under load, and gets room again",
  isLong: true,
  play,
};

const diskMiB = 48;
const bodyBytes = 32 * 1024;

/** Without a reserve, so that it is SQLite itself that meets the full disk. */
async function play({ rounds, random }: PlayOptions): Promise<Played> {
  await using disk = await smallDisk();
  await using stage = await Stage.open({ dataFolder: join(disk.path, "data"), args: ["--disk-free-min", "0B"] });
  const sender = new Sender(stage.ledger, bigParcels(random));
  const ballast = join(disk.path, "ballast");
  const trials = Math.min(rounds, 3);
  let hits = 0;
  for (let round = 0; round < trials; round += 1) {
    await using _sluice = await stage.startAlive();
    writeFileSync(ballast, Buffer.alloc(Math.max(0, freeBytes(disk.path) - 2 * 1024 * 1024)));
    const refusedBefore = countRefused(stage);
    const enough = new AbortController();
    const sending = sender.send({ url: stage.url, concurrency: 4, signal: enough.signal, newMax: 200 });
    const watch = setInterval(() => countRefused(stage) > refusedBefore + 5 && enough.abort(), 20);
    await sending;
    clearInterval(watch);
    hits += countRefused(stage) > refusedBefore ? 1 : 0;
    rmSync(ballast);
    await sender.send({ url: stage.url, concurrency: 4, signal: new AbortController().signal, newMax: 5 });
  }
  const { figures, violations } = await stage.finish([sender]);
  const statuses = new Set(stage.ledger.lines.flatMap((line) => (line.kind === "refused" ? [line.status] : [])));
  if ([...statuses].some((status) => status !== 503))
    violations.push(`refused with ${[...statuses].join()}, not 503 alone`);
  return { trials, hits, figures, areEffectsOnce: true, violations };
}

function countRefused({ ledger }: Stage): number {
  return ledger.lines.filter(({ kind }) => kind === "refused").length;
}

function bigParcels(random: Random): () => Parcel {
  let count = 0;
  return () => {
    count += 1;
    return parcelOf(`big-${count}`, Buffer.alloc(bodyBytes, `${count} ${random.next()} `));
  };
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** A disk of its own in memory: only root may make one. */
async function smallDisk(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskMiB}m`, "tmpfs", folder.path], { stdio: "pipe" });
  } catch (cause) {
    await folder[Symbol.asyncDispose]();
    throw new SkippedError("needs root on Linux, to mount a small disk", { cause });
  }
  return {
    path: folder.path,
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [folder.path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
