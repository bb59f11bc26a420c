// The API keys that a gateway uses. It owns the watch over their file. Invariant: once there were keys, no call is let in without
// one; while their file cannot be read, none is let in at all, as the keys that it knows may have been revoked.
import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { findApiKey, stateOf, type ApiKey, type Scope } from "../../core/api-key.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { QuotaMeter, type Quota } from "../../core/quota.ts";
import type { Failure } from "../../core/request.ts";
import type { Logger } from "../../telemetry/log.ts";
import { keySetOf, readKeyFile, type KeySet } from "./key-file.ts";
import { viewerOf, type Viewer } from "./viewer.ts";

/** A change of the file is seen within this time, on every kind of file system. */
const lookEveryMs = 500;
/** As many keys in use as are recognised without their hash. */
const rememberedMax = 1_000;

/** What a key allows, made ready for every call. */
export interface Grant {
  readonly id: string;
  readonly name: string;
  readonly sender: string;
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
  | { readonly kind: "unreadable"; readonly problem: Failure }
  | { readonly kind: "refused"; readonly reason: string };

export interface KeyRingOptions {
  /** A file, which need not exist; or what such a file has, from a variable, which holds until the end. */
  readonly source: { readonly file: string } | { readonly text: string };
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
  readonly #watchers = new Set<() => void>();
  readonly #looks: NodeJS.Timeout | undefined;
  #holders: readonly Holder[] | undefined;
  #generation: string | undefined;
  #problem: Failure | undefined;
  /** The reason behind the problem, for the log alone. */
  #why: string | undefined;
  /** What the file looked like when it was last read. */
  #seen: string | undefined;
  #isLooking = false;
  /**
   * Who showed what, so that the hash is not made for every call. It holds what was found in the file alone, so strangers
   * cannot fill it. That the look-up takes no constant time tells nothing: it compares texts whose hashes, seeded by the
   * process, are the same already.
   */
  #remembered = new Map<string, Holder>();

  /** Errors: `bad-config`, when the file is there and cannot be read. */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options);
    try {
      if ("text" in options.source) ring.#take(keySetOf(options.source.text, "SLUICE_KEYS"));
      else await ring.#read(options.source.file);
      return ring;
    } catch (error) {
      ring[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(options: KeyRingOptions) {
    this.#options = options;
    const { source } = options;
    if ("file" in source) this.#looks = setInterval(() => void this.#look(source.file), lookEveryMs).unref();
  }

  /** Whether calls need a key. */
  get isClosed(): boolean {
    return this.#holders !== undefined;
  }

  /** Those that hold, revoked and expired ones too; none where the gateway is open. */
  get keys(): readonly ApiKey[] {
    return (this.#holders ?? []).map(({ key }) => key);
  }

  /** Which content of the file holds; undefined while there is none, or it cannot be read. */
  get generation(): string | undefined {
    return this.#problem === undefined ? this.#generation : undefined;
  }

  /** Why no call is let in. */
  get problem(): Failure | undefined {
    return this.#problem;
  }

  /** Calls back after each change of what holds; dispose to stop. */
  watch(onChange: () => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => void this.#watchers.delete(onChange) };
  }

  /** Whose call it is, by its Authorization header. */
  find(authorization: string | undefined): Shown {
    if (this.#holders === undefined) return open;
    if (this.#problem !== undefined) return { kind: "unreadable", problem: this.#problem };
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
    if (this.#problem !== undefined) return false;
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

  /** Again and again: a problem goes away without a change of the file, too. */
  async #look(file: string): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { log } = this.#options;
    try {
      if (!(await this.#read(file))) return;
      log.info({ file, keys: this.#holders?.length }, "API keys were read");
    } catch (error) {
      if (!this.#refuse(messageOf(error))) return;
      log.error({ err: error, file }, "the API keys cannot be read: every call is refused until they can be");
    } finally {
      this.#isLooking = false;
    }
    for (const onChange of this.#watchers) onChange();
  }

  /** False when the file is as it was. */
  async #read(file: string): Promise<boolean> {
    const seen = await lookOf(file); // before it is read: a change in between is seen at the next look
    if (seen === this.#seen) return false;
    const found = await readKeyFile(file);
    if (found === undefined && this.#holders !== undefined) throw new Error(`${file} is gone`);
    this.#seen = seen;
    this.#problem = this.#why = undefined;
    this.#take(found);
    return found !== undefined;
  }

  /** False when it is the same problem as before. */
  #refuse(why: string): boolean {
    this.#seen = undefined;
    if (this.#holders === undefined) this.#holders = []; // somebody meant to close the gateway
    if (this.#why === why) return false;
    this.#why = why;
    this.#problem = { code: "keys-unreadable", message: "the API keys cannot be read: the server's log has the cause" };
    return true;
  }

  #take(found: KeySet | undefined): void {
    const before = new Map(this.#holders?.map((holder) => [holder.key.id, holder]));
    this.#remembered = new Map();
    this.#generation = found?.generation;
    this.#holders = found?.keys.map((key) => {
      const known = before.get(key.id);
      if (known !== undefined && isDeepStrictEqual(known.key, key)) return known;
      return { key, grant: this.#grantOf(key, known?.grant.quota) };
    });
  }

  #grantOf({ id, name, sender, scopes, queues, quota }: ApiKey, before: MeteredQuota | undefined): Grant {
    return { id, name, sender, scopes: new Set(scopes), viewer: viewerOf(queues), quota: this.#metered(quota, before) };
  }

  /** What a key has used of its quota stays used when the file changes. */
  #metered(quota: Quota | undefined, before: MeteredQuota | undefined): MeteredQuota | undefined {
    if (quota === undefined) return undefined;
    if (before?.quota.text === quota.text) return before;
    return { quota, meter: new QuotaMeter(quota, this.#options.clock.monotonic()) };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looks);
  }
}

/** Changes with whatever may change of what the name leads to. */
async function lookOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mode, uid, gid, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [dev, ino, size, mode, uid, gid, mtimeNs, ctimeNs].join(" ");
  } catch (error) {
    return messageOf(error); // to be read, and told, like the rest
  }
}
