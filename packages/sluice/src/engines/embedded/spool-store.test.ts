// What a spool's folder is after a crash, a torn file, and when it was emptied.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import type { RequestId } from "../../core/request-id.ts";
import { orders, queue, request } from "../../engine/contract/rig.ts";
import type { SpoolStore } from "../../engine/spool.ts";
import { openEmbedded } from "./open.ts";
import { openSpoolStore } from "./spool-store.ts";
import { logFileIn, markFileIn, storeFileIn } from "./store-file.ts";

const callCount = 20;

let root: TemporaryFolder;
/** As the power leaves it. */
let crashed: string;
let ids: readonly RequestId[];
let copies = 0;

before(async () => {
  root = await temporaryFolder();
  crashed = join(root.path, "crashed");
  const folder = join(root.path, "first");
  await using store = await open(folder);
  const accepted: RequestId[] = [];
  for (let call = 0; call < callCount; call += 1) accepted.push(...(await accept(store)));
  ids = accepted;
  cpSync(folder, crashed, { recursive: true });
});
after(() => root?.[Symbol.asyncDispose]());

function open(folder: string): Promise<SpoolStore> {
  return openSpoolStore({ folder, owner: "the test", queues: [queue(orders)], diskFreeMin: 0 });
}

async function accept({ engine }: SpoolStore): Promise<readonly RequestId[]> {
  const result = await engine.accept([request(), request({ key: "a key", body: "its body" })]);
  if (result.kind !== "accepted") throw new Error(result.kind);
  return result.receipts.flatMap(({ id, isReplayed }) => (isReplayed ? [] : [id]));
}

/** A crashed folder of the case's own, changed by it. */
function folderWith(change: (folder: string) => void): string {
  copies += 1;
  const folder = join(root.path, `copy-${copies}`);
  cpSync(crashed, folder, { recursive: true });
  change(folder);
  return folder;
}

function idsIn(store: SpoolStore): readonly RequestId[] {
  const page = store.page(-1, 1);
  equal(page === undefined ? undefined : store.page(page.upTo, 1), undefined);
  return page?.requests.map(({ id }) => id) ?? [];
}

describe("a spool that its process has left", () => {
  it("has every request of which there was a receipt, in order", async () => {
    await using store = await open(folderWith(() => {}));
    deepEqual(idsIn(store), ids);
    equal(store.damage, undefined);
    deepEqual([...store.held().queues], [[orders, ids.length]]);
    ok(store.held().bytes > 0);
  });

  it("is whole with a commit that was torn while it was written", async () => {
    await using store = await open(folderWith((folder) => appendFileSync(logFileIn(folder), Buffer.alloc(5_000, 7))));
    deepEqual(idsIn(store), ids);
    equal(store.damage, undefined);
  });

  it("goes on with what is left when commits were torn off, and says so", async () => {
    const folder = folderWith((at) => truncateSync(logFileIn(at), statSync(logFileIn(at)).size - 3 * 4_096 - 100));
    await using store = await open(folder);
    const left = idsIn(store);
    ok(left.length > 0 && left.length < ids.length, `${left.length} of ${ids.length}`);
    deepEqual(left, ids.slice(0, left.length));
    match(store.damage ?? "", /goes on with the requests that are left/);
    await accept(store);
    equal(idsIn(store).length, left.length + 1, "the key is known still");
  });

  it("sets files aside that cannot be read, and begins empty", async () => {
    for (const spoil of [
      (folder: string) => writeFileSync(storeFileIn(folder), Buffer.alloc(100_000, 7)),
      (folder: string) => {
        truncateSync(storeFileIn(folder), 10_000);
        truncateSync(logFileIn(folder), 0);
      },
    ]) {
      const folder = folderWith(spoil);
      await using store = await open(folder);
      deepEqual(idsIn(store), []);
      match(store.damage ?? "", /begins empty/);
      const [aside] = readdirSync(folder).filter((name) => name.startsWith("damaged-"));
      ok(existsSync(join(folder, aside as string, "sluice.db")));
      equal((await accept(store)).length, 2);
    }
  });

  it("is no data folder, and a data folder is no spool: neither is changed", async () => {
    const folder = join(root.path, "data");
    const options = { folder, owner: "the test", queues: [queue(orders)], diskFreeMin: 0 };
    const engine = await openEmbedded(options);
    await engine.accept([request()]);
    await engine.close();
    const markBefore = readFileSync(markFileIn(folder), "utf8");
    await rejects(open(folder), { code: "bad-config", message: /is a data folder of sluice up/ });
    equal(readFileSync(markFileIn(folder), "utf8"), markBefore);
    await rejects(openEmbedded({ ...options, folder: folderWith(() => {}) }), {
      code: "bad-config",
      message: /is the spool of a gateway/,
    });
    const again = await openEmbedded(options);
    deepEqual(again.health().problems, []);
    await again.close();
  });

  it("belongs to one process", async () => {
    const folder = folderWith(() => {});
    await using _store = await open(folder);
    await rejects(open(folder), { code: "folder-owned" });
    ok(existsSync(storeFileIn(folder)));
  });
});

describe("a spool that is emptied", () => {
  it("has no files, and comes back as another", async () => {
    const folder = folderWith(() => {});
    const first = await open(folder);
    await first.empty();
    deepEqual(
      [storeFileIn, logFileIn, markFileIn].map((fileIn) => existsSync(fileIn(folder))),
      [false, false, false],
    );
    await using second = await open(folder);
    ok(second.identity !== first.identity);
    equal(second.damage, undefined);
    deepEqual(idsIn(second), []);
  });
});
