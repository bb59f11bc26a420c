import { execFile } from "node:child_process";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findProgram, temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import { SkippedError } from "../scenario.ts";

const sources = ["shim.c", "journal.c"].map((name) => fileURLToPath(new URL(name, import.meta.url)));
const flags = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread"];

/** Compiles the library that watches a folder; disposing removes it. */
export async function buildShim(): Promise<TemporaryFolder> {
  if (process.platform !== "linux") throw new SkippedError("needs Linux, for LD_PRELOAD and /proc");
  // gcc alone comes without the C library's headers; g++ needs both.
  const gcc = findProgram({ program: "gcc", debianPackage: "g++" });
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await temporaryFolder());
  await chmod(folder.path, 0o755); // PostgreSQL runs as another user
  const library = join(folder.path, "power.so");
  await promisify(execFile)(gcc, [...flags, "-o", library, ...sources, "-ldl"]);
  const disposing = resources.move();
  return { path: library, [Symbol.asyncDispose]: () => disposing.disposeAsync() };
}
