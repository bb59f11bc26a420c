// Hostile senders at the front, and a hostile B behind it: whatever either of them says, no answer is a 500, no process ends, what
// is stored came whole and with its proof, what was answered with an id is stored, and good calls beside them get B's response.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { WireAudit, WireRequestList } from "@sluice/client";
import { freePort, startRawTarget, type GivenAnswer } from "@sluice/testing";
import fc from "fast-check";
import { isFull } from "./effort.ts";
import { openEmbedded, type Field } from "./field.ts";
import { anyFrontCall, bytesOf, isWhole, signatureOf, type FrontCall } from "./front/calls.ts";
import { parseAnswer } from "./senders/raw-call.ts";
import { anyScript, play } from "./targets/script.ts";

const configFile = fileURLToPath(new URL("./front/front.config.ts", import.meta.url));
const calls = isFull ? 20_000 : 600;
const seed = Number(process.env["SLUICE_SEED"] ?? Date.now() % 2 ** 31);
const patienceMs = 3_000;
const page = 500;

describe("on one file", () => {
  test("hostile senders before a hostile target", { timeout: 1_500_000 }, async (t) => {
    t.diagnostic(`SLUICE_SEED=${seed}`);
    await using front = await Front.open();
    const stop = new AbortController();
    const hostile = front.callAny().finally(() => stop.abort());
    const [good] = await Promise.all([front.callWell(stop.signal), hostile]);
    assert.ok(good > 0);
    await front.assertUnharmed();
    t.diagnostic(`${good} good calls beside ${calls} hostile ones, ${await front.assertStored()} of them stored`);
  });
});

interface Made {
  readonly call: FrontCall;
  readonly answer: GivenAnswer | undefined;
}

class Front implements AsyncDisposable {
  readonly #field: Field;
  readonly #port: number;
  readonly #owned: AsyncDisposableStack;
  readonly #made: Made[] = [];

  static async open(): Promise<Front> {
    await using owned = new AsyncDisposableStack();
    const b = owned.use(await startHostile());
    const good = owned.use(await startGood());
    const port = await freePort();
    const env = { B_URL: b.url, GOOD_URL: good.url };
    const args = ["--front", String(port)];
    const field = owned.use(await openEmbedded({ configFile, args, env }));
    return new Front(field, port, owned.move());
  }

  private constructor(field: Field, port: number, owned: AsyncDisposableStack) {
    this.#field = field;
    this.#port = port;
    this.#owned = owned;
  }

  /** One after the other until the signal; how many it were. */
  async callWell(stop: AbortSignal): Promise<number> {
    let count = 0;
    for (; !stop.aborted; count += 1) {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/good/${count}?a=%20`, {
        method: "PUT",
        headers: { prefer: "wait=30", "idempotency-key": String(count) },
        body: String(count),
        signal: this.#field.gone,
      });
      assert.deepEqual([answer.status, await answer.text()], [201, `PUT /good/${count}?a=%20 ${count}`]);
    }
    return count;
  }

  async callAny(): Promise<void> {
    await fc.assert(
      fc.asyncProperty(anyFrontCall, (call) => this.#judge(call)),
      { numRuns: calls, seed, endOnFailure: true },
    );
  }

  async #judge(call: FrontCall): Promise<void> {
    this.#field.gone.throwIfAborted();
    const number = this.#made.length;
    const bytes = await exchange(this.#port, bytesOf(call, number));
    const answer = bytes.includes("\r\n\r\n") ? parseAnswer(bytes) : undefined;
    this.#made.push({ call, answer });
    if (answer === undefined) return;
    // B may say 500 where a call passes through.
    const isOwn = answer.headers.get("content-type") === "application/problem+json";
    assert.ok(answer.status !== 500 || !isOwn, answer.body);
    if (answer.headers.has("sluice-request-id")) assert.ok(isWhole(call), "it did not come whole");
  }

  async assertUnharmed(): Promise<void> {
    const audit = await this.#json<WireAudit>("/v1/audit");
    assert.ok(audit.holds, "the law holds");
    for (const child of this.#field.children) assert.doesNotMatch(child.output(), /"level":"?(?:50|60|error|fatal)/);
    this.#field.gone.throwIfAborted();
  }

  /** How many requests of hostile calls are stored; each one is as its call. */
  async assertStored(): Promise<number> {
    const stored = new Set<string>();
    for (let cursor = ""; ;) {
      const list = await this.#json<WireRequestList>(`/v1/requests?limit=${page}${cursor}`);
      for (const { id, queue } of list.requests) if (queue !== "good") stored.add(id);
      if (list.nextCursor === null) break;
      cursor = `&cursor=${encodeURIComponent(list.nextCursor)}`;
    }
    for (const id of stored) await this.#assertAsCalled(id);
    for (const { answer } of this.#made)
      for (const id of answer?.headers.get("sluice-request-id")?.split(", ") ?? [])
        assert.ok(stored.has(id), `${id} was answered, and is not stored`);
    return stored.size;
  }

  async #assertAsCalled(id: string): Promise<void> {
    const { method, path, headers, bytes } = await this.#json<Stored>(`/v1/requests/${id}`);
    const { call } = this.#made[Number(headers["x-call"])] ?? {};
    if (call === undefined) return; // its call took the number away, with Connection
    assert.ok(isWhole(call), `${id} did not come whole`);
    assert.deepEqual([method, bytes], [call.method, call.body.length]);
    if (!path.startsWith("/github")) return;
    assert.ok(call.headers.some(([, value]) => value === signatureOf(call.body)));
  }

  async #json<Answer>(path: string): Promise<Answer> {
    const answer = await fetch(this.#field.url + path, { signal: this.#field.gone });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    return (await answer.json()) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

interface Stored {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
}

/** Sends them, ends its side, and reads what comes. */
async function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  const patience = setTimeout(() => socket.destroy(), patienceMs);
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {}); // a reset after the answer
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.end(bytes);
  await closed;
  clearTimeout(patience);
  return Buffer.concat(chunks);
}

/** Plays any script to any request. */
async function startHostile(): Promise<AsyncDisposable & { readonly url: string }> {
  const scripts = fc.sample(anyScript, { numRuns: 1_000, seed });
  let asked = 0;
  const target = await startRawTarget((socket) => {
    const script = scripts[asked % scripts.length];
    asked += 1;
    if (script !== undefined) void play(script, socket);
  });
  return { url: target.url.origin, [Symbol.asyncDispose]: () => target[Symbol.asyncDispose]() };
}

async function startGood(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    void text(request).then((body) => response.writeHead(201).end(`${request.method} ${request.url} ${body}`));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
