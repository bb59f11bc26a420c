import assert from "node:assert/strict";
import { test } from "node:test";
import { startChild } from "@sluice/testing";
import { totalOf, usageOf, usedBetween } from "./process-usage.ts";

test("what is used is told apart by what the processes are for, children and ended children included", async () => {
  const busy = "while (process.cpuUsage().user < 200_000); console.log('done');";
  const lasting = `${busy} process.stdin.resume()`; // ends with the parent, whose pipe it reads
  const parent = `
    const { spawnSync, spawn } = require("node:child_process");
    spawnSync(process.execPath, ["-e", ${JSON.stringify(busy)}]);
    spawn(process.execPath, ["-e", ${JSON.stringify(lasting)}], { stdio: ["pipe", "inherit", "inherit"] });
    setInterval(() => {}, 1000);`;
  await using worker = await startChild({ command: process.execPath, args: ["-e", parent] });
  await using idle = await startChild({ command: process.execPath, args: ["-e", "setInterval(() => {}, 1000)"] });
  await worker.line(/done/);
  const usage = usageOf([
    { role: "worker", pid: worker.pid },
    { role: "gateway", pid: idle.pid },
  ]);
  assert.ok((usage.worker?.cpuSeconds ?? 0) > 0.4, `${usage.worker?.cpuSeconds} s for two children of 0.2 s each`);
  assert.ok((usage.gateway?.cpuSeconds ?? 1) < (usage.worker?.cpuSeconds ?? 0));
  assert.ok((usage.worker?.peakRssMb ?? 0) > 1.5 * (usage.gateway?.peakRssMb ?? 0));
  assert.equal(totalOf(usage).cpuSeconds, (usage.worker?.cpuSeconds ?? 0) + (usage.gateway?.cpuSeconds ?? 0));
});

test("of a stretch the CPU time is counted alone, and the memory as it is at its end", () => {
  const before = { redis: { cpuSeconds: 2, peakRssMb: 10 } };
  const after = { redis: { cpuSeconds: 5, peakRssMb: 12 }, worker: { cpuSeconds: 1, peakRssMb: 7 } };
  assert.deepEqual(usedBetween(before, after), {
    redis: { cpuSeconds: 3, peakRssMb: 12 },
    worker: { cpuSeconds: 1, peakRssMb: 7 },
  });
});

test("a process that has ended meanwhile counts nothing", async () => {
  await using child = await startChild({ command: process.execPath, args: ["-e", ""] });
  await child.exited;
  assert.deepEqual(usageOf([{ role: "gateway", pid: child.pid }]), { gateway: { cpuSeconds: 0, peakRssMb: 0 } });
});
