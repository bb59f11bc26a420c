import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startChild, temporaryFolder } from "@sluice/testing";
import { seededRandom } from "../core/seeded-random.ts";
import type { Victim } from "../rehearsal/killer.ts";
import { victimsOf } from "./victims.ts";

const { signal } = new AbortController();
const random = seededRandom(1, "copies");

function first(flags: readonly string[], pidsFile?: string): Victim {
  return victimsOf(flags, { pidsFile, random })[0] as Victim;
}

test("a name alone kills a copy of the process in the file, and the process itself goes on", async () => {
  await using folder = await temporaryFolder();
  const pids = join(folder.path, "processes.json");
  const keepsACopy = `
    const { spawn } = require("node:child_process");
    const start = () => spawn("sleep", ["60"]).on("spawn", () => console.log("started"))
      .on("exit", (code, signal) => { console.log("ended by " + signal); });
    start();`;
  await using parent = await startChild({ command: process.execPath, args: ["-e", keepsACopy] });
  await parent.line(/started/);
  await writeFile(pids, JSON.stringify({ worker: parent.pid }));
  await first(["worker"], pids).kill(signal);
  await parent.line(/ended by SIGKILL/);
});

test("a process without copies is left alone, and so is one that the file does not name", async () => {
  await using folder = await temporaryFolder();
  const pids = join(folder.path, "processes.json");
  await using alone = await startChild({ command: "sleep", args: ["60"] });
  await writeFile(pids, JSON.stringify({ worker: alone.pid, gateway: 1 }));
  await assert.rejects(first(["worker"], pids).kill(signal), /has no copies: it needs --replicas 2 or more/);
  assert.ok(alone.kill("SIGTERM"));
  await assert.rejects(first(["gateway"], pids).kill(signal), /names no process id for gateway/);
  await assert.rejects(first(["autoscaler"], pids).kill(signal), /names no process id for autoscaler/);
});

test("a command may hold commas and equals signs, and its failure is told", async () => {
  const [one, two] = victimsOf(["a=test x,y = x,y", "b=echo gone >&2; exit 4"], { pidsFile: undefined, random });
  await one?.kill(signal);
  await assert.rejects((two as Victim).kill(signal), /ended with 4: gone/);
});
