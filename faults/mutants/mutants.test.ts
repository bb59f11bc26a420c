// Mutants do not rot unseen: quick, and without running one. The run itself: npm run test:mutants
import { deepEqual, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "@sluice/testing";
import { clusterScenarios } from "../cluster/scenarios/index.ts";
import { scenarios } from "../scenarios/index.ts";
import { nameOf, patched, type Catcher, type EngineName, type Mutant, type Patch } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const contract = join(root, "packages/sluice/src/engine/contract");

describe("the mutants", () => {
  test("apply exactly once, each patch to today's sources", () => {
    for (const { engine, name, patches } of mutants) {
      ok(patches.length > 0, `${engine} ${name} changes nothing`);
      for (const file of new Set(patches.map((patch) => patch.file))) mutate(file, patches);
    }
  });

  test("have one name in their engine", () => {
    const names = mutants.map(({ engine, name }) => `${engine} ${name}`);
    deepEqual(names, [...new Set(names)]);
  });

  test("do what they say: TypeScript takes each as it is", async () => {
    await using folder = await temporaryFolder();
    for (const name of ["packages", "package.json", "tsconfig.json"])
      cpSync(join(root, name), join(folder.path, name), { recursive: true, filter: isSource });
    symlinkSync(join(root, "node_modules"), join(folder.path, "node_modules"));
    const files = mutants.flatMap((mutant) => variantsOf(mutant, folder.path));
    const project = { extends: "./tsconfig.json", compilerOptions: { noUnusedLocals: false }, files, include: [] };
    writeFileSync(join(folder.path, "mutants.json"), JSON.stringify(project));
    const tsc = join(root, "node_modules/.bin/tsc");
    const { status, stdout } = spawnSync(tsc, ["-p", "mutants.json"], { cwd: folder.path, encoding: "utf8" });
    deepEqual({ status, stdout }, { status: 0, stdout: "" });
  });

  test("each have a check that is there to catch them", () => {
    for (const { engine, name, catcher, healed = catcher } of mutants) {
      for (const check of [catcher, healed]) ok(isThere(engine, check), `${engine} ${name}: ${nameOf(check)}`);
    }
  });
});

function isThere(engine: EngineName, catcher: Catcher): boolean {
  if (catcher.kind === "test") return checksOf(catcher.file).includes(catcher.cases);
  return (engine === "cluster" ? clusterScenarios : scenarios).some(({ name }) => name === catcher.name);
}

/** The file as the mutant has it. */
function mutate(file: string, patches: readonly Patch[]): string {
  const own = patches.filter((patch) => patch.file === file);
  return own.reduce(patched, readFileSync(join(root, file), "utf8"));
}

/** Beside the files that they are variants of, so that their imports hold. */
function variantsOf({ engine, name, patches }: Mutant, copy: string): readonly string[] {
  return [...new Set(patches.map((patch) => patch.file))].map((file) => {
    const variant = file.replace(/\.ts$/, `.${engine}-${name}.ts`);
    writeFileSync(join(copy, variant), mutate(file, patches));
    return variant;
  });
}

function isSource(path: string): boolean {
  return !path.includes("node_modules");
}

/** The text that the names of a file's tests stand in. */
function checksOf(file: string): string {
  const path = join(root, file);
  if (!/\/contract(\.long)?\.test\.ts$/.test(file)) return readFileSync(path, "utf8");
  return readdirSync(contract)
    .map((name) => readFileSync(join(contract, name), "utf8"))
    .join("\n");
}
