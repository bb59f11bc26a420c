// What the gateway's tests share: a gateway over real HTTP in front of the real embedded engine.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { makeApiKey, type NewApiKey } from "../src/core/api-key.ts";
import { systemClock } from "../src/core/clock.ts";
import type { LineSettings } from "../src/core/line-settings.ts";
import type { Delivery, Outcome } from "../src/core/request.ts";
import type { Engine, QueueBounds } from "../src/engine/engine.ts";
import { openEmbedded } from "../src/engines/embedded/open.ts";
import { openLog } from "../src/telemetry/log.ts";
import { changeKeyFile } from "../src/gateway/access/key-file.ts";
import { KeyRing } from "../src/gateway/access/key-ring.ts";
import { Meter } from "../src/telemetry/meter.ts";
import { defaultGatewayLimits, openGateway } from "../src/gateway/gateway.ts";
import type { TlsFiles } from "../src/gateway/tls.ts";
import type { Gateway, GatewayLimits, GatewayQueue } from "../src/gateway/gateway.ts";
import type { GatewayOptions } from "../src/gateway/create-context.ts";

export interface TestOptions {
  readonly limits?: Partial<GatewayLimits>;
  readonly backlogMax?: number;
  readonly diskFreeMin?: number;
  readonly schema?: object;
  readonly dashboardFolder?: string;
  /** Calls need one of these keys; an empty list lets nobody in, and none at all everybody. */
  readonly keys?: readonly Partial<NewApiKey>[];
  readonly tls?: TlsFiles;
  readonly host?: string;
  readonly hosts?: readonly string[];
  readonly cors?: readonly string[];
  readonly schedules?: GatewayOptions["schedules"];
  /** Of both queues. */
  readonly lines?: LineSettings;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over the wire has no type
  readonly json: any;
}

const anyKey: NewApiKey = {
  name: "test",
  sender: "test",
  scopes: ["send", "read", "admin"],
  queues: undefined,
  quota: undefined,
  createdAt: 0,
  expiresAt: undefined,
};

/** Two queues, `orders` and `mails`; the schema, if any, is for `orders`. */
export class GatewayUnderTest implements AsyncDisposable {
  readonly engine: Engine;
  readonly gateway: Gateway;
  readonly url: string;
  /** What the owners of the keys show, in their order. */
  readonly secrets: readonly string[];
  readonly keyFile: string;
  /** Of the activity log. */
  readonly activityLines: readonly Readonly<Record<string, unknown>>[];
  readonly #ring: KeyRing;
  readonly #options: GatewayOptions;
  readonly folder: string;

  static async open({
    limits,
    backlogMax = 100_000,
    diskFreeMin = 0,
    schema,
    dashboardFolder,
    keys,
    tls,
    host = "127.0.0.1",
    hosts,
    cors,
    schedules,
    lines,
  }: TestOptions = {}): Promise<GatewayUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), "sluice-gateway-"));
    const names = ["orders", "mails"];
    const bounds = names.map((name): QueueBounds => ({ name, backlogMax, backlogBytesMax: 2 ** 40, lines }));
    const engine = await openEmbedded({ folder, queues: bounds, diskFreeMin });
    const keyFile = join(folder, "keys.json");
    const made = keys?.map((key) => makeApiKey({ ...anyKey, ...key }));
    if (made !== undefined) await changeKeyFile(keyFile, () => made.map(({ key }) => key));
    const log = openLog({ level: "silent", isPretty: false });
    const activityLines: Record<string, unknown>[] = [];
    const stream = { write: (line: string) => void activityLines.push(JSON.parse(line) as Record<string, unknown>) };
    const ring = await KeyRing.open({ source: { file: keyFile }, clock: engine.clock, log });
    const options: GatewayOptions = {
      engine,
      keys: ring,
      tls,
      hosts,
      cors,
      queues: names.map((name): GatewayQueue => ({
        name,
        ratePerHour: 3_600,
        timeoutMs: 30_000,
        schema: name === "orders" ? schema : undefined,
        scaling: { min: 1, max: 4, maxWaitMs: 60_000, holdMs: 60_000 },
      })),
      limits: { ...defaultGatewayLimits, ...limits },
      clock: systemClock,
      log,
      activityLines: pino({ base: null }, stream),
      meter: new Meter(),
      version: "1.2.3",
      schedules,
      dashboardFolder,
    };
    const gateway = await openGateway(options);
    const { url } = await gateway.listen({ host, port: 0 });
    const secrets = made?.map(({ secret }) => secret) ?? [];
    return new GatewayUnderTest(folder, { engine, gateway, url, secrets, keyFile, activityLines, ring, options });
  }

  private constructor(
    folder: string,
    parts: Pick<GatewayUnderTest, "engine" | "gateway" | "url" | "secrets" | "keyFile" | "activityLines"> & {
      readonly ring: KeyRing;
      readonly options: GatewayOptions;
    },
  ) {
    this.folder = folder;
    this.engine = parts.engine;
    this.gateway = parts.gateway;
    this.url = parts.url;
    this.secrets = parts.secrets;
    this.keyFile = parts.keyFile;
    this.activityLines = parts.activityLines;
    this.#ring = parts.ring;
    this.#options = parts.options;
  }

  /** One more on the same store, as after a restart: it remembers nothing. */
  async restartedGateway(): Promise<{ fetch: (path: string) => Promise<Answer> } & AsyncDisposable> {
    const gateway = await openGateway(this.#options);
    const { url } = await gateway.listen({ host: "127.0.0.1", port: 0 });
    return { fetch: (path) => this.fetch(path, {}, url), [Symbol.asyncDispose]: () => gateway.close() };
  }

  async fetch(path: string, init?: RequestInit, url = this.url): Promise<Answer> {
    const response = await fetch(url + path, init);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "") && text !== "";
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  post(path: string, body: BodyInit | null = null, headers: Record<string, string> = {}): Promise<Answer> {
    return this.fetch(path, { method: "POST", body, headers });
  }

  /** The id of a new request in `orders`. */
  async accepted(body = "{}", headers: Record<string, string> = {}): Promise<string> {
    const { json } = await this.post("/v1/queues/orders/requests", body, headers);
    return json.id;
  }

  /** Claims the longest waiting request of `orders`. */
  async deliver(): Promise<Delivery> {
    const [delivery] = await this.engine.deliver({ queue: "orders", max: 1, signal: AbortSignal.timeout(10_000) });
    if (delivery === undefined) throw new Error("nothing was delivered");
    return delivery;
  }

  /** Plays the worker for the longest waiting request. */
  async finish(outcome: Outcome): Promise<void> {
    const { claim } = await this.deliver();
    await this.engine.settle(claim, outcome);
  }

  /** Sends raw bytes and reads until the server closes the connection. */
  async raw(...parts: readonly string[]): Promise<string> {
    const { hostname, port } = new URL(this.url);
    const socket = connect({ host: hostname, port: Number(port) });
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk.toString()));
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("error", () => resolve()); // a reset after the answer
    socket.on("close", () => resolve());
    for (const part of parts) socket.write(part);
    await closed;
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
    this.#ring[Symbol.dispose]();
    await this.engine.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The whole of a problem document. */
export function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.json.code, code);
  assert.equal(answer.json.status, status);
  assert.ok(answer.json.title.length > 0 && answer.json.detail.length > 0 && answer.json.type.length > 0);
}

export function done(text: string, contentType = "text/plain"): Outcome {
  return { kind: "done", result: { contentType, bytes: Buffer.from(text) } };
}

export const dead: Outcome = { kind: "dead", failure: { code: "rejected", message: "no such customer" } };
