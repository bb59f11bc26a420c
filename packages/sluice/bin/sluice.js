#!/usr/bin/env node
// Plain JavaScript for any Node, so that an old one gets a sentence instead of a syntax error.
const needed = 24;
const found = process.versions.node;
/**
 * MiB for what has just been allocated. In a server nearly all of it is dead when the answer is out: with less room
 * some is taken for old and piles up, with more the room itself is the memory.
 */
const youngFlag = "--max-semi-space-size";
const youngMib = 16;

if (Number(found.split(".")[0]) < needed) {
  process.stderr.write(`sluice: Node.js ${needed} or newer is needed, this is ${found} (${process.execPath})\n`);
  process.exitCode = 78;
} else {
  if (process.argv[2] === "up") await becomeLean();
  await import("../src/cli/main.ts");
}

/**
 * Settings that only a new start takes: this process becomes that start, under the same id. From its second start on
 * Sluice compiles nothing, which with sources in TypeScript saves half the time and 40 MB.
 */
async function becomeLean() {
  const { execPath, execArgv, argv, env } = process;
  const isSet = [...execArgv, env.NODE_OPTIONS ?? ""].some((option) => option.includes(youngFlag));
  if (isSet || process.execve === undefined || process.platform === "win32") return;
  const { enableCompileCache, getCompileCacheDir } = await import("node:module");
  enableCompileCache();
  const cache = { NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE ?? getCompileCacheDir() };
  process.execve(execPath, [execPath, `${youngFlag}=${youngMib}`, ...execArgv, ...argv.slice(1)], { ...cache, ...env });
}
