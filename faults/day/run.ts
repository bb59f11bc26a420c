// npm run day -- [--engine embedded|cluster] [--requests N] [--kills N] [--seed N] [--speed N] [--report FILE]
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { drawCurve } from "./curve.ts";
import { playDay } from "./day.ts";
import { dayMarkdown, dayText } from "./day-report.ts";
import { help, parseDayFlags, type DayFlags } from "./flags.ts";
import { describeCommit, describeMachine } from "./machine.ts";

const flags = parseOrRefuse();
if (flags === undefined) process.exitCode = 64;
else if (flags.isHelp) console.log(help);
else process.exitCode = await main(flags);

async function main({ reportFile, engine, requests, kills, seed, speed }: DayFlags): Promise<number> {
  const options = { engine, requests, kills, seed, speed };
  const command = `npm run day -- --engine ${engine} --requests ${requests} --kills ${kills} --seed ${seed} --speed ${speed}`;
  console.error(command);
  const commit = describeCommit(); // before the report makes the tree dirty
  const onPhase = ({ name, seconds }: { name: string; seconds: number }): void =>
    console.error(`  ${name}: ${seconds.toFixed(1)} s`);
  const result = await playDay({ ...options, onPhase });
  console.log(dayText(result));
  if (reportFile !== undefined) {
    const curveFile = reportFile.replace(/(?:\.md)?$/, ".svg");
    const setting = { ...options, command, machine: describeMachine(), commit };
    writeFileSync(reportFile, dayMarkdown(setting, result, basename(curveFile)));
    writeFileSync(curveFile, drawCurve(result.samples, result.kills, `Backlog, ${engine}: requests that wait`));
  }
  return result.violations.length === 0 ? 0 : 1;
}

function parseOrRefuse(): DayFlags | undefined {
  try {
    return parseDayFlags(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return undefined;
  }
}
