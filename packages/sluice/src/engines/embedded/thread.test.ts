import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Engine } from "../../engine/engine.ts";
import { openEmbedded } from "./open.ts";

const requests = 80_000;
const callers = 128;
const grownMibMax = 6;

test("no call keeps another one's answer, though the collector took something of its for long-lived", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-thread-"));
  const engine = await openEmbedded({ folder, queues: [{ name: "q", backlogMax: 1e6, backlogBytesMax: 1e9 }] });
  await acceptMany(engine, requests / 10);
  const collect = collector();
  const before = oldBytes();
  let most = before;
  await acceptMany(engine, requests, () => {
    for (let age = 0; age < 3; age += 1) collect({ type: "minor" }); // what is held now is old from here on
    most = Math.max(most, oldBytes());
  });
  const grownMib = (most - before) / 2 ** 20;
  await engine.close();
  await rm(folder, { recursive: true });
  assert.ok(grownMib < grownMibMax, `${grownMib.toFixed(1)} MiB of dead answers are taken for long-lived`);
});

/** Calls back after each ten thousand. */
async function acceptMany(engine: Engine, count: number, onTenThousand = (): void => {}): Promise<void> {
  const request = { queue: "q", key: undefined, contentType: "text/plain", headers: undefined, body: Buffer.from("a") };
  let left = count;
  const call = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      if (left % 10_000 === 0) onTenThousand();
      await engine.accept([request]);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ?? Number.NaN;
}

function collector(): (options: { readonly type: "minor" | "major" }) => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as ReturnType<typeof collector>;
}
