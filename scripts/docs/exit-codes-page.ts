import { exitCodes, failureOf, type ExitCode } from "../../packages/sluice/src/cli/failure.ts";
import { errorCodes, SluiceError, type ErrorCode } from "../../packages/sluice/src/core/errors.ts";
import { helpText } from "./help-text.ts";
import { pageHead, table } from "./markdown.ts";

export async function exitCodesPage(): Promise<string> {
  const help = await helpText([]);
  const rows = Object.values(exitCodes).map((exitCode) => [
    String(exitCode),
    meaningOf(help, exitCode),
    codesOf(exitCode)
      .map((code) => `\`${code}\``)
      .join(", "),
  ]);
  return `${pageHead("Exit codes", "cli/failure.ts and sluice --help")}
${table(["exit code", "meaning", "errors of Sluice that end a command so"], rows)}

A command that talks to a running server goes by the kind of its answer: \`refused\` and \`dead\` exit with 1 (but
\`not-finished\` with 75), \`unavailable\` and \`timeout\` with 75, \`unknown\` with 69 where no answer came and with 75 where
one did that says nothing. Whatever has no code exits with 1.
`;
}

/** Of \`Exit codes:\` in the help. */
function meaningOf(help: string, exitCode: ExitCode): string {
  const [, meaning] = new RegExp(`^ {2}${exitCode} +(.+)$`, "m").exec(help.slice(help.indexOf("Exit codes:"))) ?? [];
  if (meaning === undefined) throw new Error(`sluice --help says nothing of exit code ${exitCode}`);
  return meaning;
}

function codesOf(exitCode: ExitCode): readonly ErrorCode[] {
  if (exitCode === exitCodes.failed) return [];
  const codes = Object.keys(errorCodes) as ErrorCode[];
  return codes.filter((code) => failureOf(new SluiceError(code, "")).exitCode === exitCode);
}
