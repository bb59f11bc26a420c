// npm run test:failover -- [--only a,b] [--rounds N] [--seed N] [--front NAME] [--without rabbitmq,redis] [--markdown FILE] [--logs DIR]
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { findProgram, postgresProgram, type CarrierChoice } from "@sluice/testing";
import { choiceOf, flagsOf, whyLeftOut } from "../cluster/carriers.ts";
import { Servers } from "../cluster/servers.ts";
import { markdown } from "../markdown.ts";
import { bounds, complaints, progress, runScenario, table, type Result } from "../report.ts";
import { failoverColumns } from "./columns.ts";
import { released, runJailed } from "../swarm/jail.ts";
import { bringUpLoopback } from "../swarm/loopback.ts";
import { frontNames, type FrontName } from "./fronts.ts";
import { SkippedError } from "../scenario.ts";
import type { FailoverScenario } from "./failover.ts";
import { failovers } from "./scenarios/index.ts";

const roundsUsual = 3;

const help = `Fails servers of a cluster over while a client sends, and checks that nothing was lost or doubled.

  npm run test:failover -- [flags]

  --only a,b       these scenarios
  --rounds N       failovers of each, or as many as it plays at most; ${roundsUsual} unless given
  --seed N         the same seed makes the same choices; one of the moment unless given, and printed
  --front NAME     how all reach PostgreSQL, instead of as each scenario has it: ${frontNames.join(", ")}
  --without A,B    without rabbitmq, redis or both; SLUICE_TEST_CARRIERS decides unless given
  --markdown FILE  writes the table there as well, as docs/failover.md shows it
  --logs DIR       keeps there what each process logs

  scenarios        ${failovers.map(({ name }) => name).join(", ")}
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: String(roundsUsual) },
    seed: { type: "string" },
    front: { type: "string" },
    without: { type: "string" },
    markdown: { type: "string" },
    logs: { type: "string" },
    jailed: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** A run of root's plays in a network, and among processes, of its own: what it leaves behind ends with it. */
const isJailed = values.jailed;

if (values.help) console.log(help);
else process.exitCode = await main();

interface Choice {
  readonly chosen: readonly FailoverScenario[];
  readonly seed: number;
  readonly rounds: number;
  readonly front: FrontName | undefined;
  readonly carriers: CarrierChoice;
}

async function main(): Promise<number> {
  const only = values.only?.split(",");
  const chosen = failovers.filter(({ name }) => only?.includes(name) ?? true);
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  const rounds = Number(values.rounds);
  const front = frontNames.find((name) => name === values.front);
  const isKnown = (only === undefined || chosen.length === only.length) && values.front === front;
  const carriers = choiceOf(values.without);
  if (
    carriers === undefined ||
    !isKnown ||
    !Number.isSafeInteger(seed) ||
    !Number.isSafeInteger(rounds) ||
    rounds < 1
  ) {
    console.error(help);
    return 64;
  }
  if (process.getuid?.() !== 0 || isJailed) return await play({ chosen, seed, rounds, front, carriers });
  install();
  const signals = { stop: new AbortController().signal, kill: new AbortController().signal };
  return await runJailed({
    ...signals,
    script: new URL(import.meta.url),
    args: [...process.argv.slice(2), "--jailed"],
    network: "own",
  });
}

/** What is missing of the servers: from inside a network of its own nothing can be had. */
function install(): void {
  postgresProgram("postgres");
  for (const name of ["pgbouncer", "haproxy", "rabbitmq-server", "redis-server"])
    findProgram({ program: name, debianPackage: name });
}

async function play({ chosen, seed, rounds, front, carriers }: Choice): Promise<number> {
  if (isJailed) {
    released().addEventListener("abort", () => process.exit(1)); // who started it is gone
    await bringUpLoopback();
  }
  console.error(`seed ${seed}`);
  if (values.logs !== undefined) mkdirSync(values.logs, { recursive: true });
  await using servers = await Servers.open(carriers);
  const results: Result[] = [];
  for (const { play, needs = [], roundsMax = rounds, ...scenario } of chosen) {
    console.error(`${scenario.name}: ${scenario.fault}`);
    const result = await runScenario(
      {
        ...scenario,
        numbers: "",
        play(options) {
          const why = whyLeftOut(needs, carriers);
          if (why !== undefined) throw new SkippedError(why);
          return play({ ...options, servers, front, logFolder: values.logs, isNetworkOwn: isJailed });
        },
      },
      { engine: "cluster", rounds: Math.min(rounds, roundsMax), seed, isShort: false, isFull: true },
    );
    console.error(`  ${progress(result)}`);
    results.push(result);
  }
  tell(results, { seed, carriers });
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

function tell(results: readonly Result[], { seed, carriers }: Pick<Choice, "seed" | "carriers">): void {
  console.log(table(results, [["scenario", ({ scenario }) => scenario.name], ...failoverColumns]));
  console.log(`\n${bounds(results).join("\n")}\nseed ${seed}\n${complaints(results)}`);
  if (values.markdown === undefined) return;
  const notShown = ["--markdown", "--logs"]; // what is written elsewhere changes nothing
  const flags = process.argv
    .slice(2)
    .filter(
      (flag, index, all) => ![...notShown, "--jailed"].includes(flag) && !notShown.includes(all[index - 1] ?? ""),
    );
  const without = values.without === undefined ? flagsOf(carriers) : [];
  const seeded = [...flags, ...without, ...(values.seed === undefined ? ["--seed", String(seed)] : [])];
  const command = `npm run test:failover -- ${seeded.join(" ")}`;
  const columns = [["failover", ({ scenario }: Result) => scenario.fault] as const, ...failoverColumns];
  writeFileSync(values.markdown, markdown(results, command, columns));
}
