// Hostile senders: each operation of the API's description, called with any strings, numbers and headers, by the owners of keys of
// each kind. No answer is 500 or other than described, and no process ends.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { WireAudit, WireReceipt, WireRequestList } from "@sluice/client";
import { Description, temporaryFolder, type DescribedOperation, type OpenApiDocument } from "@sluice/testing";
import fc from "fast-check";
import { makeApiKey, type NewApiKey } from "../../packages/sluice/src/core/api-key.ts";
import { changeKeyFile } from "../../packages/sluice/src/gateway/access/key-file.ts";
import { defaultGatewayLimits } from "../../packages/sluice/src/gateway/limits.ts";
import { isFull } from "./effort.ts";
import { openCluster, openEmbedded, type Field, type FieldOptions } from "./field.ts";
import { anyCall, plainCall, type Call, type Good } from "./senders/calls.ts";
import { send } from "./senders/raw-call.ts";

const configFile = fileURLToPath(new URL("./senders/senders.config.ts", import.meta.url));
const calls = isFull ? 20_000 : 300;
const seed = Number(process.env["SLUICE_SEED"] ?? Date.now() % 2 ** 31);

const everything: NewApiKey = {
  name: "everything",
  sender: "everything",
  scopes: ["send", "read", "admin"],
  queues: undefined,
  quota: undefined,
  createdAt: 0,
  expiresAt: undefined,
};
const keyKinds: Readonly<Record<string, Partial<NewApiKey>>> = {
  everything: {},
  send: { scopes: ["send"] },
  read: { scopes: ["read"] },
  admin: { scopes: ["admin"] },
  mailsOnly: { queues: ["mails"] },
  slow: { quota: { count: 20, windowSeconds: 3_600, text: "20/h" } },
};

describe("on one file", () => judge(openEmbedded));
if (isFull) describe("on a cluster", () => judge(openCluster));

function judge(open: (options: FieldOptions) => Promise<Field>): void {
  for (const isKeyed of [false, true])
    test(`every answer is described, ${isKeyed ? "with keys" : "without"}`, { timeout: 1_500_000 }, async (t) => {
      await using senders = await Senders.open(open, isKeyed);
      t.diagnostic(`SLUICE_SEED=${seed}`);
      await t.test("of a call as it should be", () => senders.callEach());
      await t.test("of any call", () => senders.callAny());
      await senders.assertUnharmed();
    });
}

interface Shown {
  readonly scopes: readonly string[];
  /** Undefined: no key. */
  readonly secret: string | undefined;
}

class Senders implements AsyncDisposable {
  readonly #field: Field;
  readonly #owned: AsyncDisposableStack;
  /** By kind of key; without keys there is one kind, that shows none. */
  readonly #keys: ReadonlyMap<string, Shown>;
  #description = new Description({ paths: {} });
  #good: Good = {};

  static async open(open: (options: FieldOptions) => Promise<Field>, isKeyed: boolean): Promise<Senders> {
    await using owned = new AsyncDisposableStack();
    const folder = owned.use(await temporaryFolder());
    const keyFile = join(folder.path, "keys.json");
    const made = Object.entries(isKeyed ? keyKinds : {}).map(([name, kind]) =>
      makeApiKey({ ...everything, ...kind, name }),
    );
    if (isKeyed) await changeKeyFile(keyFile, () => made.map(({ key }) => key));
    const field = owned.use(await open({ configFile, ...(isKeyed && { env: { SLUICE_KEYS_FILE: keyFile } }) }));
    const none = { scopes: isKeyed ? [] : everything.scopes, secret: undefined };
    const wrong = { scopes: [], secret: `sluice_${"A".repeat(43)}` };
    const kinds = made.map(({ key, secret }) => [key.name, { scopes: key.scopes, secret }] as const);
    const keys = new Map<string, Shown>([["none", none], ...(isKeyed ? [["wrong", wrong] as const] : []), ...kinds]);
    const senders = new Senders(field, keys, owned.move());
    await senders.#prepare(isKeyed ? "everything" : "none");
    return senders;
  }

  private constructor(field: Field, keys: ReadonlyMap<string, Shown>, owned: AsyncDisposableStack) {
    this.#field = field;
    this.#keys = keys;
    this.#owned = owned;
  }

  readonly #shown = (keyName: string): Record<string, string> => {
    const secret = this.#keys.get(keyName)?.secret;
    return secret === undefined ? {} : { authorization: `Bearer ${secret}` };
  };

  #owner = "none";

  /** A request in each state, and what stands where a call names one. */
  async #prepare(owner: string): Promise<void> {
    this.#owner = owner;
    this.#description = new Description(await this.#json<OpenApiDocument>("/openapi.json"));
    await this.#json("/v1/queues/parcels/pause", { method: "POST" });
    const submit = async (queue: string): Promise<string> => {
      const path = `/v1/queues/${queue}/requests`;
      return (await this.#json<WireReceipt>(path, { method: "POST", body: '{"to":"a"}' })).id;
    };
    const [done, dead, waiting] = [await submit("orders"), await submit("mails"), await submit("parcels")];
    for (const id of [done, dead]) await this.#json(`/v1/requests/${id}`, { headers: { prefer: "wait=30" } });
    this.#good = {
      queue: ["orders", "mails", "parcels"],
      id: [done, dead, waiting, "01a204f9-70ec-7000-8293-91d0cee829c3"],
      "Idempotency-Key": ["a", "b", '"c d"'],
      Prefer: ["wait=0", "wait=1", 'wait="1"', "respond-async"],
      "Sluice-Callback": ["https://callbacks.example/", "http://127.0.0.1:9/"],
      "Sluice-Not-Before": ["1h", "2026-01-01T00:00:00Z"],
      "Sluice-Expires": ["2h"],
      "Sluice-Order": ["account", '"a b"'],
      "Sluice-Group": ["tenant", '"a b"'],
      Priority: ["u=1", "i"],
      group: ["tenant"],
      order: ["account"],
      "Last-Event-ID": ["0-waiting"],
      state: ["waiting", "dead"],
      key: ["a"],
      limit: ["1", "1000"],
      cursor: [(await this.#json<WireRequestList>("/v1/requests?limit=1")).nextCursor ?? "none"],
    };
  }

  async #json<Answer>(path: string, { headers, ...init }: RequestInit = {}): Promise<Answer> {
    const shown = { ...this.#shown(this.#owner), ...(headers as Record<string, string> | undefined) };
    const answer = await fetch(this.#field.url + path, { ...init, headers: shown, signal: this.#field.gone });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    return (await answer.json()) as Answer;
  }

  /** Each is a success where every scope is allowed. */
  async callEach(): Promise<void> {
    const [done = "", dead = "", waiting = ""] = this.#good["id"] ?? [];
    const ids: Readonly<Record<string, string>> = { replayRequest: dead, cancelRequest: waiting };
    const bodies: Readonly<Record<string, string>> = {
      submitBatch: '{"body":1}',
      replayQueue: '{"dryRun":true}',
      setGroup: '{"weight":2}',
    };
    for (const operation of this.#description.operations) {
      const good = { ...this.#good, id: [ids[operation.id] ?? done] as const };
      const status = await this.#judge(plainCall(operation, good, bodies[operation.id] ?? ""), this.#owner);
      assert.ok(status !== undefined && status < 300, `${operation.id}: ${status}`);
    }
    await this.#json("/v1/queues/parcels/pause", { method: "POST" });
  }

  async callAny(): Promise<void> {
    const drawn = anyCall(this.#description.operations, this.#good, [...this.#keys.keys()]);
    await fc.assert(
      fc.asyncProperty(drawn, async ({ keyName, ...call }) => void (await this.#judge(call, keyName))),
      { numRuns: calls, seed, endOnFailure: true },
    );
  }

  async #judge(call: Call, keyName: string): Promise<number | undefined> {
    this.#field.gone.throwIfAborted();
    const { operation } = call;
    const answer = await send(this.#field.url, {
      ...call,
      headers: [...Object.entries(this.#shown(keyName)), ...call.headers],
    });
    if (answer === undefined) {
      assert.ok(mayBeUnanswered(call), "no answer came");
      return undefined;
    }
    assert.ok(answer.status !== 500, answer.body);
    this.#description.assertAnswer(operation, answer);
    if (answer.status < 400) {
      assert.ok(this.#mayCall(operation, keyName), `${keyName} may not`);
      assert.ok(operation.isPublic || !call.unknown, `${call.unknown} was passed over`);
    }
    return answer.status;
  }

  #mayCall({ isPublic, scope }: DescribedOperation, keyName: string): boolean {
    const scopes = this.#keys.get(keyName)?.scopes ?? [];
    return isPublic || (scope === undefined ? scopes.length > 0 : scopes.includes(scope));
  }

  async assertUnharmed(): Promise<void> {
    const audit = await this.#json<WireAudit>("/v1/audit");
    assert.ok(audit.holds, "the law holds");
    for (const child of this.#field.children) assert.doesNotMatch(child.output(), /"level":"?(?:50|60|error|fatal)/);
    this.#field.gone.throwIfAborted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** By a wait for longer than the answer was waited for; or the answer came while the head was still being sent, and was lost. */
function mayBeUnanswered({ target, headers }: Call): boolean {
  const headLength = headers.reduce((sum, line) => sum + line.join().length, target.length);
  return headLength > defaultGatewayLimits.headersBytesMax || headers.some(([name]) => name === "Prefer");
}
