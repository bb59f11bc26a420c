import { join } from "node:path";
import { parcelOf, type Parcel } from "../parcel.ts";
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { smallDisk } from "../small-disk.ts";
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
const freeBytes = 2 * 1024 * 1024;

/** Without a reserve, so that it is SQLite itself that meets the full disk. */
async function play({ rounds, random }: PlayOptions): Promise<Played> {
  await using disk = await smallDisk(diskMiB);
  await using stage = await Stage.open({ dataFolder: join(disk.path, "data"), args: ["--disk-free-min", "0B"] });
  const sender = new Sender(stage.ledger, bigParcels(random));
  const trials = Math.min(rounds, 3);
  let hits = 0;
  for (let round = 0; round < trials; round += 1) {
    await using _sluice = await stage.startAlive();
    disk.fill(freeBytes);
    const refusedBefore = countRefused(stage);
    const enough = new AbortController();
    const sending = sender.send({ url: stage.url, concurrency: 4, signal: enough.signal, newMax: 200 });
    const watch = setInterval(() => countRefused(stage) > refusedBefore + 5 && enough.abort(), 20);
    await sending;
    clearInterval(watch);
    hits += countRefused(stage) > refusedBefore ? 1 : 0;
    disk.empty();
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
