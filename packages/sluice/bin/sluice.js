#!/usr/bin/env node
// Plain JavaScript for any Node, so that an old one gets a sentence instead of a syntax error.
const needed = 24;
const found = process.versions.node;
/**
 * In a server nearly all that is allocated is dead once the answer is out. With this much room (MiB) it dies young; with
 * less, some is taken for old and piles up: in a gateway of a cluster, where answers wait longer, that cost a third more CPU
 * in three of eight runs with 16, and in none of six with 32.
 */
const heapFlag = "--max-semi-space-size";
const youngMib = process.argv[2] === "gateway" ? 32 : 16;
/**
 * Where requests are taken in, what has grown old is collected once there is twice as much of it as was alive; V8 by itself
 * waits for up to four times as much. With batches at full speed the embedded engine takes 222 to 251 MiB in all instead of 285
 * to 290; taking in single requests costs it the same, from POST to result 2 % more CPU (eleven pairs), and a cluster's gateway
 * a twentieth less; its worker would take 6 % more.
 */
const oldFlag = "--heap-growing-percent=100";
const intakes = ["up", "gateway"];
const servers = [...intakes, "worker", "autoscale"];

if (Number(found.split(".")[0]) < needed) {
  process.stderr.write(`sluice: Node.js ${needed} or newer is needed, this is ${found} (${process.execPath})\n`);
  process.exitCode = 78;
} else {
  if (servers.includes(process.argv[2])) await becomeLean();
  if (intakes.includes(process.argv[2])) {
    const { setFlagsFromString } = await import("node:v8");
    setFlagsFromString(oldFlag);
  }
  await import("../src/cli/main.ts");
}

/**
 * Settings that only a new start takes: this process becomes that start, under the same id. From its second start on
 * Sluice compiles nothing, which with sources in TypeScript saves half the time and 40 MB.
 */
async function becomeLean() {
  const { execPath, execArgv, argv, env } = process;
  const isSet = [...execArgv, env.NODE_OPTIONS ?? ""].some((option) => option.includes(heapFlag));
  if (isSet || process.execve === undefined || process.platform === "win32") return;
  const { enableCompileCache, getCompileCacheDir } = await import("node:module");
  enableCompileCache();
  const folder = getCompileCacheDir(); // none where nothing can be written
  const cache = folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
  process.execve(execPath, [execPath, `${heapFlag}=${youngMib}`, ...execArgv, ...argv.slice(1)], { ...cache, ...env });
}
