// npm run test:simulation -- [--histories N] [--seed N] [--minutes N]
import "./install.ts";
import { parseArgs } from "node:util";
import type { Played } from "./history.ts";

const { playHistory } = await import("./history.ts");

const help = `Plays short histories of a cluster on simulated servers, with faults drawn from a seed, and checks each.

  npm run test:simulation -- [flags]

  --histories N   how many, each with the next seed; 2,000 unless set
  --seed N        plays this one seed and prints its history; with --histories the first of them
  --minutes N     goes on for so long instead of for a number of histories
`;

const { values } = parseArgs({
  options: {
    histories: { type: "string" },
    seed: { type: "string" },
    minutes: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
const histories = Number(values.histories ?? (values.minutes === undefined ? 2_000 : Number.POSITIVE_INFINITY));
const minutes = Number(values.minutes ?? Number.POSITIVE_INFINITY);

if (values.help) console.log(help);
else if (!Number.isSafeInteger(seed) || !(histories > 0) || !(minutes > 0)) {
  console.error(help);
  process.exitCode = 64;
} else if (values.seed !== undefined && values.histories === undefined && values.minutes === undefined)
  process.exitCode = await playOne();
else process.exitCode = await playMany();

async function playOne(): Promise<number> {
  const played = await playHistory(seed, { trace: (line) => console.log(line) });
  console.log(`\nseed ${seed}: ${played.steps} steps, ${played.accepted} accepted`);
  for (const violation of played.violations) console.log(`violation ${violation}`);
  return played.violations.length > 0 ? 1 : 0;
}

async function playMany(): Promise<number> {
  const startedAt = performance.now();
  const failed: Played[] = [];
  const faults = new Map<string, number>();
  const sums = { histories: 0, steps: 0, accepted: 0, simulatedMs: 0 };
  let toldAt = startedAt;
  while (sums.histories < histories && performance.now() - startedAt < minutes * 60_000) {
    const played = await playHistory(seed + sums.histories);
    sums.histories += 1;
    sums.steps += played.steps;
    sums.accepted += played.accepted;
    sums.simulatedMs += played.simulatedMs;
    for (const [kind, count] of played.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
    if (played.violations.length > 0) {
      failed.push(played);
      console.log(`seed ${played.seed}: ${played.violations[0]}`);
      console.log(`  again: npm run test:simulation -- --seed ${played.seed}`);
    }
    if (performance.now() - toldAt < 5_000) continue;
    toldAt = performance.now();
    console.error(`${sums.histories} histories, ${failed.length} with violations`);
  }
  const tookS = (performance.now() - startedAt) / 1_000;
  console.log(`histories ${sums.histories} from seed ${seed}, in ${tookS.toFixed(1)} s`);
  console.log(`steps ${sums.steps}, simulated ${(sums.simulatedMs / 3_600_000).toFixed(1)} h`);
  console.log(`accepted ${sums.accepted}`);
  console.log(
    `faults ${[...faults.keys()]
      .toSorted((left, right) => left.localeCompare(right))
      .map((kind) => `${kind} ${faults.get(kind)}`)
      .join(", ")}`,
  );
  console.log(`violations ${failed.length}`);
  return failed.length > 0 ? 1 : 0;
}
