// Builds what is published. Each package becomes a folder of its own, ready for npm pack, with the sources as JavaScript
// beside their types. The repository itself runs from its sources: nothing looks into what is built.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

export const packageNames = ["client", "sluice"] as const;

interface Manifest {
  readonly [field: string]: unknown;
  readonly exports: Readonly<Record<string, string>>;
  readonly devDependencies?: unknown;
}

const root = path.resolve(import.meta.dirname, "..");

/** Fills the folder anew. */
export function buildPackages(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  compile(folder);
  for (const name of packageNames) addRest(name, path.join(folder, name));
  buildDashboard(path.join(folder, "sluice/dist/dashboard"));
  const bin = path.join(folder, "sluice/bin");
  cpSync(path.join(root, "packages/sluice/bin"), bin, { recursive: true });
  const command = path.join(bin, "sluice.js");
  writeFileSync(command, replaceOnce(readFileSync(command, "utf8"), "../src/cli/main.ts", "../src/cli/main.js"));
}

function compile(folder: string): void {
  program("tsc", ["-p", "tsconfig.build.json", "--outDir", folder]);
}

/** The page goes where the gateway looks for it: "imports" of the manifest. */
function buildDashboard(folder: string): void {
  program("vite", ["build", "packages/dashboard", "--outDir", folder, "--emptyOutDir", "--logLevel", "warn"]);
}

function program(name: string, args: readonly string[]): void {
  const { status, error } = spawnSync(path.join(root, "node_modules/.bin", name), args, {
    cwd: root,
    stdio: "inherit",
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${name} ended with ${String(status)}`);
}

/** What belongs to a package beside its code. */
function addRest(name: (typeof packageNames)[number], folder: string): void {
  const from = path.join(root, "packages", name);
  const manifest = JSON.parse(readFileSync(path.join(from, "package.json"), "utf8")) as Manifest;
  const { devDependencies: _, ...published } = { ...manifest, exports: builtExports(manifest.exports) };
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(published, undefined, 2)}\n`);
  copyFileSync(path.join(from, "README.md"), path.join(folder, "README.md"));
  copyFileSync(path.join(root, "LICENSE"), path.join(folder, "LICENSE"));
}

function builtExports(sources: Manifest["exports"]): Readonly<Record<string, unknown>> {
  const built = Object.entries(sources).map(([entry, file]) => [
    entry,
    { types: replaceOnce(file, ".ts", ".d.ts"), default: replaceOnce(file, ".ts", ".js") },
  ]);
  return { ...Object.fromEntries(built), "./package.json": "./package.json" };
}

function replaceOnce(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`expected ${from} once, in: ${text}`);
  return text.replace(from, to);
}
