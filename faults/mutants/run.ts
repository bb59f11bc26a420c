// node faults/mutants/run.ts [--only a,b]: seeds each bug in a copy of the sources, and expects red. First each check
// runs on a copy without a bug, and must be green there: a check that is always red catches nothing.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startChild } from "@sluice/testing";
import { copyWith } from "./copy.ts";
import { mutants, type Catcher, type Mutant } from "./mutants.ts";

const contract = "packages/sluice/src/engines/embedded/contract.test.ts";
const seed = "1";

const { values } = parseArgs({ options: { only: { type: "string" } } });
const only = values.only?.split(",");
const chosen = mutants.filter(({ name }) => only?.includes(name) ?? true);
const survivors: string[] = [];

await using sound = await copyWith([]);
for (const mutant of chosen) {
  const verdict = await judge(mutant);
  console.log(`${verdict.isCaught ? "caught  " : "SURVIVED"}  ${mutant.name}: ${mutant.bug}\n          ${verdict.how}`);
  if (!verdict.isCaught) survivors.push(mutant.name);
}
console.log(`${chosen.length - survivors.length} of ${chosen.length} mutants were caught`);
process.exitCode = survivors.length === 0 && chosen.length > 0 ? 0 : 1;

interface Verdict {
  readonly isCaught: boolean;
  readonly how: string;
}

async function judge({ patches, catcher, sign }: Mutant): Promise<Verdict> {
  const name = catcher.kind === "scenario" ? `scenario ${catcher.name}` : `contract case "${catcher.cases}"`;
  const control = await runCheck(sound.path, catcher);
  if (control.code !== 0) return { isCaught: false, how: `${name} is red without the bug:\n${control.output}` };
  await using copy = await copyWith(patches);
  const { code, output } = await runCheck(copy.path, catcher);
  const said = output.split("\n").find((line) => sign.test(line));
  if (code === 0) return { isCaught: false, how: `${name} stayed green` };
  if (said === undefined) return { isCaught: false, how: `${name} is red for another reason than ${sign}:\n${output}` };
  return { isCaught: true, how: `by the ${name}: ${said.trim()}` };
}

async function runCheck(
  folder: string,
  catcher: Catcher,
): Promise<{ readonly code: number | null; readonly output: string }> {
  await using child = await startChild({ command: process.execPath, args: argsOf(folder, catcher), cwd: folder });
  const { code } = await child.exited;
  return { code, output: child.output() };
}

function argsOf(folder: string, catcher: Catcher): readonly string[] {
  switch (catcher.kind) {
    case "scenario": {
      const { name, rounds } = catcher;
      return [join(folder, "faults/run.ts"), "--short", "--seed", seed, "--rounds", String(rounds), "--only", name];
    }
    case "contract":
      return ["--test", "--test-name-pattern", catcher.cases, join(folder, contract)];
    default:
      return catcher satisfies never;
  }
}
