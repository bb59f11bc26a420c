// npm run build: `lib` of each package, JavaScript with types and source maps, and the dashboard where there
// is one. Only what is published needs it: the repository runs from its sources.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const dashboard = path.join(root, "packages/dashboard");

if (import.meta.main) {
  buildDashboard();
  for (const name of ["client", "sluice"]) buildPackage(path.join(root, "packages", name));
}

/** A fresh `lib`: what a build left that has no source any more would be published. */
export function buildPackage(folder: string): void {
  rmSync(path.join(folder, "lib"), { recursive: true, force: true });
  run("tsc", ["-p", path.join(folder, "tsconfig.build.json")]);
}

/** Into `dist/dashboard` of the package sluice, where a clone has a dashboard. */
export function buildDashboard(): void {
  if (existsSync(dashboard)) run("npm", ["run", "build", "--workspace", "@sluice/dashboard"]);
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${String(status)}`);
}
