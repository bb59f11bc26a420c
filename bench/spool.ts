// npm run bench:spool -- [--rounds N] [--seconds N]
// What a spool costs and how fast it empties: 202s while PostgreSQL is out beside the embedded engine's, by CPU time and by
// the clock; and requests forwarded a second beside those that the same gateway takes in batches.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  sluiceCommand,
  startPostgres,
  startSluice,
  startSluiceGateway,
  temporaryFolder,
  type Sluice,
} from "@sluice/testing";
import { body } from "./body.ts";
import { getJson } from "./peers/get-json.ts";
import { workingConfig } from "./peers/sluice.ts";
import { totalOf, usageOf, usedBetween } from "./process-usage.ts";
import { median, medianInterval } from "./statistics.ts";
import { runWrk, type WrkReport } from "./wrk.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "5" } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const connections = 64;
const batchLines = 1_000;
const batch = `{"body":${body}}\n`.repeat(batchLines);

interface Figures {
  readonly embeddedPerSecond: number;
  readonly embeddedCpu: number;
  readonly spooledPerSecond: number;
  readonly spooledCpu: number;
  readonly forwardedPerSecond: number;
  readonly batchedPerSecond: number;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const all: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const isEmbeddedFirst = round % 2 === 0; // what runs second finds a warmer machine
    const before = isEmbeddedFirst ? await measureEmbedded() : undefined;
    const spool = await measureSpool();
    const figures = { ...spool, ...(before ?? (await measureEmbedded())) };
    all.push(figures);
    console.error(`${round + 1}/${rounds} ${JSON.stringify(figures)}`);
  }
  tell(all, "spooledPerSecond", "embeddedPerSecond");
  tell(all, "embeddedCpu", "spooledCpu"); // CPU of the embedded one over that of the spool: 1 or more is as good
  tell(all, "forwardedPerSecond", "batchedPerSecond");
  return 0;
}

async function measureEmbedded(): Promise<Pick<Figures, "embeddedPerSecond" | "embeddedCpu">> {
  await using folder = await temporaryFolder();
  await using sluice = await startSluice({ dataFolder: folder.path, configFile: workingConfig });
  await fetch(`${sluice.url}/v1/queues/orders/pause`, { method: "POST" });
  const { perSecond, cpu } = await measureIntake(sluice);
  return { embeddedPerSecond: perSecond, embeddedCpu: cpu };
}

async function measureSpool(): Promise<Omit<Figures, "embeddedPerSecond" | "embeddedCpu">> {
  await using folder = await temporaryFolder();
  await using spool = await temporaryFolder();
  let postgres = await startPostgres({ folder: folder.path });
  try {
    const env = { DATABASE_URL: postgres.url };
    execFileSync(process.execPath, [sluiceCommand, "migrate", "--config", workingConfig], {
      env: { ...process.env, ...env },
      stdio: "pipe",
    });
    await using gateway = await startSluiceGateway({
      configFile: workingConfig,
      env,
      args: ["--spool", join(spool.path, "spool")],
    });
    postgres.kill("SIGINT");
    await postgres.exited;
    const { perSecond, cpu } = await measureIntake(gateway);
    postgres = await startPostgres({ folder: folder.path, port: postgres.port });
    const forwardedPerSecond = await forwarding(gateway);
    const { answers, perSecond: batches } = await runWrk({
      url: `${gateway.url}/v1/queues/orders/batches`,
      seconds,
      connections: 4,
      body: batch,
    });
    if ((await countOf(gateway, "accepted")) < answers * batchLines) throw new Error("a batch was not stored");
    return { spooledPerSecond: perSecond, spooledCpu: cpu, forwardedPerSecond, batchedPerSecond: batches * batchLines };
  } finally {
    await postgres[Symbol.asyncDispose]();
  }
}

async function measureIntake(sluice: Sluice): Promise<WrkReport & { readonly cpu: number }> {
  const url = `${sluice.url}/v1/queues/orders/requests`;
  const own = [{ role: "gateway", pid: sluice.pid } as const];
  await runWrk({ url, seconds: 1, connections });
  const before = usageOf(own);
  const report = await runWrk({ url, seconds, connections });
  return { ...report, cpu: (totalOf(usedBetween(before, usageOf(own))).cpuSeconds / report.answers) * 1e5 };
}

/** From the first page that the ledger has to the last. */
async function forwarding({ url }: Sluice): Promise<number> {
  const all = await spooled(url);
  let [from, left] = [performance.now(), all];
  while (left > 0) {
    await delay(10);
    if (left === all) from = performance.now();
    left = await spooled(url);
  }
  return (all / (performance.now() - from)) * 1_000;
}

async function spooled(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^sluice_spool_requests(?:\{.*\})? (\d+)/m.exec(text)?.[1]);
}

async function countOf({ url }: Sluice, name: "accepted"): Promise<number> {
  return ((await getJson(`${url}/v1/queues/orders`)) as Record<typeof name, number>)[name];
}

function tell(all: readonly Figures[], figure: keyof Figures, to: keyof Figures): void {
  const ratios = all.map((one) => one[figure] / one[to]);
  const { from, to: most } = medianInterval(ratios);
  const [mine, peers] = [figure, to].map((name) => median(all.map((one) => one[name])).toFixed(1));
  const spread = `${from.toFixed(2)} to ${most.toFixed(2)}, of ${ratios.length} rounds`;
  console.log(`${figure} ${mine} to ${to} ${peers}: ratio ${median(ratios).toFixed(2)} (${spread})`);
}
