// What holds for every platform. Its tests give a platform at zero replicas or one, and nobody else asks meanwhile.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Platform } from "./platform.ts";

export interface PlatformRig extends AsyncDisposable {
  readonly platform: Platform;
}

export function testPlatform(name: string, open: () => Promise<PlatformRig>): void {
  describe(`the platform ${name}`, () => {
    test("tells how many replicas are asked for: those of the last scaling, out or in", async () => {
      await using rig = await open();
      for (const replicas of [3, 1, 2]) {
        const { version } = await rig.platform.replicas();
        assert.equal(await rig.platform.scaleTo(replicas, version), "scaled");
        assert.equal((await rig.platform.replicas()).replicas, replicas);
      }
    });

    test("refuses a decision that was made on an old reading, and changes nothing", async () => {
      await using rig = await open();
      const { version } = await rig.platform.replicas();
      assert.equal(await rig.platform.scaleTo(2, version), "scaled");
      assert.equal(await rig.platform.scaleTo(1, version), "conflict");
      assert.equal((await rig.platform.replicas()).replicas, 2);
    });

    test("takes one of two decisions made on the same reading", async () => {
      await using rig = await open();
      const { version } = await rig.platform.replicas();
      const results = await Promise.all([2, 2].map((replicas) => rig.platform.scaleTo(replicas, version)));
      assert.deepEqual(results.toSorted(), ["conflict", "scaled"]);
      assert.equal((await rig.platform.replicas()).replicas, 2);
    });

    test("is closed twice without harm", async () => {
      await using rig = await open();
      await rig.platform[Symbol.asyncDispose]();
      await rig.platform[Symbol.asyncDispose]();
    });
  });
}
