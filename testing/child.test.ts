import assert from "node:assert/strict";
import { test } from "node:test";
import { startChild } from "./child.ts";
import type { Child } from "./child.ts";

test("a line is found whether it was printed before or after the call", async () => {
  await using child = await startScript("console.log('one 1'); setInterval(() => console.log('two 2'), 5)");
  assert.equal((await child.line(/^two (\d)/))[1], "2");
  assert.equal((await child.line(/^one (\d)/))[1], "1");
});

test("waiting for a line ends with the process, and the error shows what it printed", async () => {
  await using child = await startScript("console.error('no room'); process.exit(3)");
  await assert.rejects(child.line(/ready/), /ended \(3\) before a line \/ready\/:\nno room/);
  assert.deepEqual(await child.exited, { code: 3, signal: null });
});

test("a killed process is told by its signal, and killing it again does nothing", async () => {
  await using child = await startScript("console.log('up'); setInterval(() => {}, 1000)");
  await child.line(/up/);
  assert.equal(child.kill("SIGKILL"), true);
  assert.deepEqual(await child.exited, { code: null, signal: "SIGKILL" });
  assert.equal(child.kill("SIGKILL"), false);
});

test("disposing ends a process that ignores SIGTERM", async () => {
  const child = await startScript("process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)");
  await child.line(/up/);
  await child[Symbol.asyncDispose]();
  assert.equal((await child.exited).signal, "SIGKILL");
});

test("a program that is not there is an error at once", async () => {
  await assert.rejects(startChild({ command: "/no/such/program", args: [] }), { code: "ENOENT" });
});

function startScript(script: string): Promise<Child> {
  return startChild({ command: process.execPath, args: ["-e", script] });
}
