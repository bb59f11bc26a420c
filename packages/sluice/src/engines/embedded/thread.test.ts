import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { OldSpace } from "../../../test/old-space.ts";
import type { Engine } from "../../engine/engine.ts";
import { openEmbedded } from "./open.ts";

const requests = 80_000;
const ageEvery = 10_000;
const callers = 128;
const grownMibMax = 4;

test("no call keeps another one's answer, though the collector took something of it for long-lived", async () => {
  await using folder = await temporaryFolder();
  const queues = [{ name: "q", backlogMax: 1e6, backlogBytesMax: 1e9 }];
  await using engine = await openEmbedded({ folder: folder.path, queues });
  await acceptMany(engine, ageEvery);
  const old = new OldSpace();
  await acceptMany(engine, requests, () => old.age());
  assert.ok(old.grownMib < grownMibMax, `${old.grownMib.toFixed(1)} MiB of dead answers are taken for long-lived`);
});

/** Calls back now and then. */
async function acceptMany(engine: Engine, count: number, onSome = (): void => {}): Promise<void> {
  const request = { queue: "q", key: undefined, contentType: "text/plain", headers: undefined, body: Buffer.from("a") };
  let left = count;
  const call = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      if (left % ageEvery === 0) onSome();
      await engine.accept([request]);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
}
