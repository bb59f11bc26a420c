// The API keys that a gateway goes by. It owns the watch over their file. Invariants: once there were keys, nobody comes in
// without one, whatever becomes of the file; a file that cannot be read leaves the keys as they were.
import { unwatchFile, watchFile } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { findApiKey, stateOf, type ApiKey, type Scope } from "../../core/api-key.ts";
import type { Clock } from "../../core/clock.ts";
import { QuotaMeter, type Quota } from "../../core/quota.ts";
import type { Logger } from "../../telemetry/log.ts";
import { readKeyFile } from "./key-file.ts";
import { viewerOf, type Viewer } from "./viewer.ts";

/** A change of the file is seen within this time, on every kind of file system. */
const lookEveryMs = 500;
/** As many keys in use as are recognised without their hash. */
const rememberedMax = 1_000;

/** What a key allows, made ready for every call. */
export interface Grant {
  readonly id: string;
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly viewer: Viewer;
  readonly quota: MeteredQuota | undefined;
}

export interface MeteredQuota {
  readonly quota: Quota;
  readonly meter: QuotaMeter;
}

export type Shown =
  /** There are no keys: whoever reaches the port is let in. */
  | { readonly kind: "open" }
  | { readonly kind: "key"; readonly grant: Grant }
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string };

export interface KeyRingOptions {
  /** Need not exist. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Holder {
  readonly key: ApiKey;
  readonly grant: Grant;
}

const open: Shown = { kind: "open" };
const none: Shown = { kind: "none" };
const refused = {
  malformed: { kind: "refused", reason: "the Authorization header must be Bearer and an API key" },
  unknown: { kind: "refused", reason: "this API key is not known" },
  expired: { kind: "refused", reason: "this API key has expired" },
  revoked: { kind: "refused", reason: "this API key was revoked" },
} as const satisfies Readonly<Record<string, Shown>>;

export class KeyRing implements Disposable {
  readonly #options: KeyRingOptions;
  #holders: readonly Holder[] | undefined;
  /**
   * Who showed what, so that the hash is not made for every call. It holds what was found in the file alone, so strangers
   * cannot fill it. That the look-up takes no constant time tells nothing: it compares texts whose hashes, seeded by the
   * process, are the same already.
   */
  #remembered = new Map<string, Holder>();
  readonly #look = (): void => void this.#reload();

  /** Errors: `bad-config`, when the file is there and cannot be read. */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options);
    ring.#take(await readKeyFile(options.file));
    watchFile(options.file, { interval: lookEveryMs, persistent: false }, ring.#look);
    return ring;
  }

  private constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** Whether calls need a key. */
  get isClosed(): boolean {
    return this.#holders !== undefined;
  }

  /** Whose call it is, by its Authorization header. */
  find(authorization: string | undefined): Shown {
    if (this.#holders === undefined) return open;
    if (authorization === undefined) return none;
    const holder = this.#remembered.get(authorization) ?? this.#recognise(this.#holders, authorization);
    if (holder === undefined) return /^bearer +\S+$/i.test(authorization) ? refused.unknown : refused.malformed;
    const state = stateOf(holder.key, this.#options.clock.now());
    return state === "valid" ? { kind: "key", grant: holder.grant } : refused[state];
  }

  /**
   * Whether what was found still holds: the key was not changed or revoked since, and has not expired; where there was none,
   * there is none still.
   */
  stillHolds(grant: Grant | undefined): boolean {
    if (grant === undefined) return !this.isClosed;
    const holder = this.#holders?.find((each) => each.grant === grant);
    return holder !== undefined && stateOf(holder.key, this.#options.clock.now()) === "valid";
  }

  #recognise(holders: readonly Holder[], authorization: string): Holder | undefined {
    const secret = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    if (secret === undefined) return undefined;
    const key = findApiKey(
      holders.map((holder) => holder.key),
      secret,
    );
    const holder = holders.find((each) => each.key === key);
    if (holder !== undefined && this.#remembered.size < rememberedMax) this.#remembered.set(authorization, holder);
    return holder;
  }

  async #reload(): Promise<void> {
    const { file, log } = this.#options;
    try {
      const keys = await readKeyFile(file);
      if (keys === undefined && this.#holders !== undefined)
        return log.error({ file }, "the file of the API keys is gone: the keys from before hold until the next start");
      this.#take(keys);
      if (keys !== undefined) log.info({ file, keys: keys.length }, "API keys were read");
    } catch (error) {
      log.error({ err: error, file }, "the API keys cannot be read: those from before hold");
    }
  }

  #take(keys: readonly ApiKey[] | undefined): void {
    const before = new Map(this.#holders?.map((holder) => [holder.key.id, holder]));
    this.#remembered = new Map();
    this.#holders = keys?.map((key) => {
      const known = before.get(key.id);
      if (known !== undefined && isDeepStrictEqual(known.key, key)) return known;
      return { key, grant: this.#grantOf(key, known?.grant.quota) };
    });
  }

  #grantOf({ id, name, scopes, queues, quota }: ApiKey, before: MeteredQuota | undefined): Grant {
    return { id, name, scopes: new Set(scopes), viewer: viewerOf(queues), quota: this.#metered(quota, before) };
  }

  /** What a key has used of its quota stays used when the file changes. */
  #metered(quota: Quota | undefined, before: MeteredQuota | undefined): MeteredQuota | undefined {
    if (quota === undefined) return undefined;
    if (before?.quota.text === quota.text) return before;
    return { quota, meter: new QuotaMeter(quota, this.#options.clock.monotonic()) };
  }

  [Symbol.dispose](): void {
    unwatchFile(this.#options.file, this.#look);
  }
}
