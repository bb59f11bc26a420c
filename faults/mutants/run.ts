// npm run test:mutants -- [--engine embedded|cluster] [--only a,b]: seeds each bug in a copy of the sources, and expects
// red. Each check runs on a copy without a bug first, and must be green there: one that is always red catches nothing.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startChild } from "@sluice/testing";
import { copyWith } from "./copy.ts";
import { nameOf, type Catcher, type EngineName, type Mutant } from "./mutant.ts";
import { mutants } from "./mutants.ts";
import { table, type Verdict } from "./table.ts";

const usage = 64;
const seed = "1";

const { values } = parseArgs({ options: { engine: { type: "string" }, only: { type: "string" } } });
process.exitCode = await main(values.engine, values.only?.split(","));

async function main(engine: string | undefined, only: readonly string[] | undefined): Promise<number> {
  const known = mutants.filter((mutant) => mutant.engine === (engine ?? mutant.engine));
  const chosen = known.filter(({ name }) => only?.includes(name) ?? true);
  const unknown = only?.filter((name) => !chosen.some((mutant) => mutant.name === name)) ?? [];
  if (chosen.length === 0 || unknown.length > 0) {
    console.error(`the mutants are: ${mutants.map((mutant) => `${mutant.name} (${mutant.engine})`).join(", ")}`);
    return usage;
  }
  const verdicts = await judgeAll(chosen);
  const caught = verdicts.filter(({ isCaught }) => isCaught).length;
  console.log(`${table(verdicts)}\n\n${caught} of ${verdicts.length} mutants were caught`);
  return caught === verdicts.length ? 0 : 1;
}

async function judgeAll(chosen: readonly Mutant[]): Promise<readonly Verdict[]> {
  await using sound = await copyWith([]);
  const controls = new Map<string, Promise<Run>>();
  const control: Control = (engine, catcher) => {
    const name = `${engine} ${nameOf(catcher)}`;
    const run = controls.get(name) ?? runCheck(sound.path, engine, catcher);
    controls.set(name, run);
    return run;
  };
  const verdicts: Verdict[] = [];
  for (const mutant of chosen) {
    const startedAt = performance.now();
    const judged = await judge(mutant, control);
    const verdict = { mutant, seconds: (performance.now() - startedAt) / 1_000, ...judged };
    console.error(`${verdict.isCaught ? "caught  " : "SURVIVED"} ${mutant.engine} ${mutant.name}: ${verdict.said}`);
    verdicts.push(verdict);
  }
  return verdicts;
}

async function judge({ engine, patches, catcher, healed, sign }: Mutant, control: Control): Promise<Judged> {
  const sound = await control(engine, catcher);
  if (sound.code !== 0) return survived(`it is red without the bug:\n${sound.output}`);
  if (!hasChecked(catcher, sound)) return survived(`it checks nothing:\n${sound.output}`);
  await using copy = await copyWith(patches);
  const { code, output } = await runCheck(copy.path, engine, catcher);
  if (code === 0) return survived("it stayed green");
  const said = output.split("\n").find((line) => sign.test(line));
  if (said === undefined) return survived(`it is red for another reason than ${sign}:\n${output}`);
  if (healed === undefined) return { isCaught: true, said: said.trim() };
  const other = await runCheck(copy.path, engine, healed);
  const isHealed = other.code === 0 && hasChecked(healed, other);
  return isHealed ? { isCaught: true, said: said.trim() } : survived(`${nameOf(healed)} is red too:\n${other.output}`);
}

function survived(why: string): Judged {
  return { isCaught: false, said: why };
}

type Judged = Pick<Verdict, "isCaught" | "said">;
/** The check on sources without a bug; it runs once. */
type Control = (engine: EngineName, catcher: Catcher) => Promise<Run>;

interface Run {
  readonly code: number | null;
  readonly output: string;
}

/** A name that fits no test makes a green run of none. */
function hasChecked(catcher: Catcher, { output }: Run): boolean {
  if (catcher.kind === "scenario") return true; // the run refuses a name that it does not know
  return output.split("\n").some((line) => line.includes("✔") && line.includes(catcher.cases));
}

async function runCheck(folder: string, engine: EngineName, catcher: Catcher): Promise<Run> {
  const args = argsOf(folder, engine, catcher);
  await using child = await startChild({ command: process.execPath, args, cwd: folder });
  const { code } = await child.exited;
  return { code, output: child.output() };
}

function argsOf(folder: string, engine: EngineName, catcher: Catcher): readonly string[] {
  switch (catcher.kind) {
    case "scenario": {
      const { name, rounds } = catcher;
      const run = [join(folder, "faults/run.ts"), "--engine", engine];
      return [...run, "--short", "--seed", seed, "--rounds", String(rounds), "--only", name];
    }
    case "test":
      return ["--test", "--test-name-pattern", catcher.cases, join(folder, catcher.file)];
    default:
      return catcher satisfies never;
  }
}
