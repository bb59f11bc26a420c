// Whether a gateway starts, by its API keys and by what its store knows of them.
import assert from "node:assert/strict";
import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { sluiceKeys, type VerifyConfig } from "../config/front-values.ts";
import { readUp } from "../config/read-settings.ts";
import { formatApiKeys, makeApiKey } from "../core/api-key.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { changeKeyFile } from "../gateway/access/key-file.ts";
import type { KeyRing } from "../gateway/access/key-ring.ts";
import { openLog } from "../telemetry/log.ts";
import { openKeys, type KeyAccess } from "./key-access.ts";

const log = openLog({ level: "silent", isPretty: false });
const { key, secret } = makeApiKey({
  name: "own",
  scopes: ["read"],
  queues: undefined,
  quota: undefined,
  createdAt: 0,
  expiresAt: undefined,
});

interface Given extends Partial<KeyAccess["settings"]> {
  readonly isWithoutKeys?: boolean;
}

class Store implements AsyncDisposable {
  readonly file: string;
  readonly engine: Engine;
  readonly #folder: AsyncDisposable;

  static async open(): Promise<Store> {
    const folder = await temporaryFolder();
    const engine = await openEmbedded({ folder: join(folder.path, "data"), queues: [], diskFreeMin: 0 });
    return new Store(folder, engine, join(folder.path, "keys.json"));
  }

  private constructor(folder: AsyncDisposable, engine: Engine, file: string) {
    this.#folder = folder;
    this.engine = engine;
    this.file = file;
  }

  /** Whether calls need a key once the gateway starts; rejects when it refuses to. */
  async start(given: Given = {}): Promise<boolean> {
    using ring = await this.ring(given);
    return ring.isClosed;
  }

  ring({ isWithoutKeys = false, ...given }: Given = {}): Promise<KeyRing> {
    const keys = { kind: "file", file: this.file, isNamed: false } as const;
    const settings = { keys, host: "127.0.0.1", admin: undefined, front: undefined, ...given };
    return openKeys({ engine: this.engine, settings, isWithoutKeys, log });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

test("without keys it listens on loopback addresses only, with keys on any", async () => {
  await using store = await Store.open();
  const rule =
    /^SluiceError: host must be a loopback address while there are no API keys; make one with sluice keys create/;
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "sluice.example", "127.example"]) {
    await assert.rejects(store.start({ host }), rule);
    await assert.rejects(store.start({ admin: { host, port: 1 } }), rule);
  }
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) assert.equal(await store.start({ host }), false);
  const named = { kind: "file", file: store.file, isNamed: true } as const;
  await assert.rejects(store.start({ keys: named }), /keys must be a file that exists/);
  await changeKeyFile(store.file, () => [key]);
  assert.equal(await store.start({ host: "0.0.0.0", admin: { host: "::", port: 1 } }), true);
});

test("a front that other machines reach has no route for API keys while there are none", async () => {
  await using store = await Store.open();
  const opening = (host: string, verify: VerifyConfig) => {
    const file = {
      queues: { orders: { handle: () => 0 } },
      front: { host, port: 0, routes: { "/a": { queue: "orders", verify } } },
    };
    return store.start({ front: readUp({ file, overrides: {}, env: {} }).front });
  };
  await assert.rejects(
    opening("0.0.0.0", sluiceKeys),
    /^SluiceError: front\.routes\["\/a"\]\.verify is sluiceKeys, and there/,
  );
  assert.equal(await opening("127.0.0.1", sluiceKeys), false);
  assert.equal(await opening("0.0.0.0", "public"), false);
  await changeKeyFile(store.file, () => [key]);
  assert.equal(await opening("0.0.0.0", sluiceKeys), true);
});

describe("a store that was served with keys", () => {
  test("does not open without them, until that is asked for once", async () => {
    await using store = await Store.open();
    await changeKeyFile(store.file, () => [key]);
    assert.equal(await store.start(), true);
    await assert.rejects(store.start({ isWithoutKeys: true }), /--without-keys, and there are API keys in/);
    await rm(store.file);
    await assert.rejects(store.start(), /was served with API keys, and \S+ is not there: put it back.*--without-keys$/);
    assert.equal(await store.start({ isWithoutKeys: true }), false);
    assert.equal(await store.start(), false);
  });

  test("knows it from the first key on, also when it was made while the gateway ran", async () => {
    await using store = await Store.open();
    using ring = await store.ring();
    assert.equal(ring.isClosed, false);
    const { promise: isClosed, resolve } = Promise.withResolvers<void>();
    using _watch = ring.watch(resolve);
    await changeKeyFile(store.file, () => [key]);
    await isClosed;
    const signal = AbortSignal.timeout(20_000);
    while ((await store.engine.wasKeyed?.()) !== true) signal.throwIfAborted();
    await rm(store.file);
    await assert.rejects(store.start(), /was served with API keys/);
  });
});

test("keys may be in a variable; what cannot be read as such refuses the start", async () => {
  await using store = await Store.open();
  const text = formatApiKeys([key]);
  using ring = await store.ring({ keys: { kind: "text", text }, host: "0.0.0.0" });
  assert.equal(ring.find(`Bearer ${secret}`).kind, "key");
  assert.equal(ring.find(undefined).kind, "none");
  assert.match(ring.generation ?? "", /^[0-9a-f]{16}$/);
  for (const wrong of ["x", "[]", secret, text.slice(0, -5)])
    await assert.rejects(
      store.start({ keys: { kind: "text", text: wrong } }),
      /^SluiceError: the API keys in SLUICE_KEYS/,
    );
});

test("keys that are there and cannot be read refuse the start", async () => {
  await using store = await Store.open();
  await writeFile(store.file, "{", { mode: 0o600 });
  await assert.rejects(store.start(), /cannot be read: it is not JSON/);
  await rm(store.file);
  await symlink(`${store.file}-not`, store.file);
  await assert.rejects(store.start(), /the file of the API keys \S+ cannot be used: no such file/);
});
