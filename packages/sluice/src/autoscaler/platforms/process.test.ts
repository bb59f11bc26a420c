import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { watch } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startChild, temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import { openLog } from "../../telemetry/log.ts";
import { testPlatform, type PlatformRig } from "../platform-contract.ts";
import { openProcesses } from "./process.ts";

/** A copy tells what becomes of it in a file that all of them write. */
const script = `
import cluster from "node:cluster";
import { appendFileSync } from "node:fs";
const tell = (word) => appendFileSync(process.argv[2], word + " " + process.pid + "\\n");
process.on("SIGTERM", () => { tell("asked"); if (process.argv[3] !== "hangs") { tell("ends"); process.exit(0); } });
cluster.worker.on("disconnect", () => { tell("left"); process.exit(0); });
tell("runs");
`;

interface Rig extends PlatformRig {
  scaleTo(replicas: number): Promise<void>;
  /** The processes that told the word, in their order, once there are so many. */
  told(word: string, count: number): Promise<readonly number[]>;
}

async function openRig({ graceMs = 10_000, mode = "" } = {}): Promise<Rig> {
  const folder = await temporaryFolder();
  const { file, tale } = await writeScript(folder);
  const log = openLog({ level: "silent", isPretty: false });
  const platform = openProcesses({ file, args: [tale, mode], graceMs, restartMinMs: 10, log });
  return {
    platform,
    async scaleTo(replicas) {
      assert.equal(await platform.scaleTo(replicas, (await platform.replicas()).version), "scaled");
    },
    told: (word, count) => told(tale, word, count),
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function writeScript(folder: TemporaryFolder): Promise<{ file: string; tale: string }> {
  const file = join(folder.path, "copy.mjs");
  const tale = join(folder.path, "tale");
  await Promise.all([writeFile(file, script), writeFile(tale, "")]);
  return { file, tale };
}

async function told(tale: string, word: string, count: number): Promise<readonly number[]> {
  const { promise, resolve } = Promise.withResolvers<readonly number[]>();
  const look = async (): Promise<void> => {
    const lines = (await readFile(tale, "utf8")).matchAll(new RegExp(`^${word} (\\d+)$`, "gm"));
    const pids = [...lines].map(([, pid]) => Number(pid));
    if (pids.length >= count) resolve(pids);
  };
  const watcher = watch(tale, () => void look());
  await look();
  const pids = await promise;
  watcher.close();
  return pids;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

testPlatform("process", () => openRig());

test("the newest goes first, and is asked to", async () => {
  await using rig = await openRig();
  await rig.scaleTo(1);
  const [oldest] = await rig.told("runs", 1);
  await rig.scaleTo(2);
  const [, newest] = await rig.told("runs", 2);
  await rig.scaleTo(1);
  assert.deepEqual(await rig.told("ends", 1), [newest]);
  assert.ok(isAlive(oldest as number));
});

test("one that dies is started again, and is asked for all the while", async () => {
  await using rig = await openRig();
  await rig.scaleTo(2);
  const [victim] = await rig.told("runs", 2);
  process.kill(victim as number, "SIGKILL");
  await rig.told("runs", 3);
  assert.equal((await rig.platform.replicas()).replicas, 2);
});

test("one that hangs is killed after the grace, and not before it was asked", async () => {
  await using rig = await openRig({ graceMs: 300, mode: "hangs" });
  await rig.scaleTo(1);
  const [pid] = await rig.told("runs", 1);
  const startedAt = performance.now();
  await rig.platform[Symbol.asyncDispose]();
  assert.ok(performance.now() - startedAt >= 300);
  assert.deepEqual(await rig.told("asked", 1), [pid]);
  assert.ok(!isAlive(pid as number));
});

test("standing down lets all of them go, gracefully", async () => {
  await using rig = await openRig();
  await rig.scaleTo(2);
  await rig.told("runs", 2);
  await rig.platform.standDown();
  await rig.told("ends", 2);
  assert.equal((await rig.platform.replicas()).replicas, 0);
});

test("none outlives a process that was killed", async () => {
  await using folder = await temporaryFolder();
  const { file, tale } = await writeScript(folder);
  const source = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const parentFile = join(folder.path, "parent.mjs");
  await writeFile(
    parentFile,
    `import { openLog } from ${source("../../telemetry/log.ts")};
    import { openProcesses } from ${source("./process.ts")};
    const log = openLog({ level: "silent", isPretty: false });
    const platform = openProcesses({ file: ${JSON.stringify(file)}, args: [${JSON.stringify(tale)}], graceMs: 1000, log });
    await platform.scaleTo(2, "0");`,
  );
  await using parent = await startChild({ command: process.execPath, args: [parentFile] });
  const pids = await told(tale, "runs", 2);
  parent.kill("SIGKILL");
  assert.deepEqual(new Set(await told(tale, "left", 2)), new Set(pids));
});
