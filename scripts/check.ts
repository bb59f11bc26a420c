// The one gate before a commit: everything that needs no server. All steps run, so that one run shows all there is to mend.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { boundaryViolations } from "./boundaries.ts";

interface Step {
  readonly name: string;
  /** What there is to mend; empty when nothing. */
  readonly run: () => string;
}

const root = path.resolve(import.meta.dirname, "..");

const steps: readonly Step[] = [
  { name: "format", run: () => program("oxfmt", ["--check", "."]) },
  { name: "lint", run: () => program("oxlint", []) },
  { name: "types", run: () => program("tsc", ["-p", "."]) },
  { name: "import boundaries", run: () => boundaryViolations(root).join("\n") },
  { name: "dead code", run: () => program("knip", ["--no-config-hints"]) },
  {
    name: "unit tests",
    run: () => program("node", ["--test", "packages/*/src/core/**/!(*.long).test.ts", "scripts/boundaries.test.ts"]),
  },
];

const failed = steps.filter((step) => !passes(step)).map(({ name }) => name);
console.log(failed.length === 0 ? "all checks passed" : `failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function passes({ name, run }: Step): boolean {
  const startedAt = performance.now();
  const complaint = run();
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${complaint === "" ? "ok    " : "FAILED"} ${name} (${seconds} s)${complaint && `\n\n${complaint}\n`}`);
  return complaint === "";
}

/** Runs a program of node_modules/.bin; its output is the complaint when it fails. */
function program(name: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(path.join(root, "node_modules/.bin", name), args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  return status === 0 ? "" : `${stdout}${stderr}`.trim() || `${name} exited with ${String(status)}`;
}
