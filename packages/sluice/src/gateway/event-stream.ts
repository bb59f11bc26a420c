// A stream of server-sent events. It owns its answer, its heartbeat and its place among the held answers until it ends,
// and lets go of the resources that it was given. It ends when the key that it was asked with no longer holds.
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { Grant } from "./access/key-ring.ts";
import type { GatewayContext } from "./context.ts";
import type { HeldAnswers } from "./held-answers.ts";
import type { Outgoing, OutgoingPlace } from "./outgoing.ts";

/** A text that is no larger needs no place among the answers on their way out while its client reads: it is gone at once. */
const uncountedBytesMax = 16 * 1024;

const pipelined = "an event stream can be asked for once all answers before it on its connection have ended";

type StreamContext = Pick<GatewayContext, "limits" | "held" | "outgoing">;

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #response: ServerResponse;
  readonly #resources: DisposableStack;
  readonly #held: HeldAnswers;
  readonly #outgoing: Outgoing;
  readonly #bytesMax: number;
  /** Of one text, so far. */
  #largestBytes = 0;

  constructor({ limits, held, outgoing }: StreamContext, reply: FastifyReply, resources: DisposableStack) {
    const { raw } = reply;
    this.#reply = reply;
    this.#response = raw;
    this.#held = held;
    this.#outgoing = outgoing;
    this.#bytesMax = limits.streamBytesMax;
    this.#resources = resources;
    const heartbeat = setInterval(() => this.write(": still here\n\n"), limits.heartbeatMs);
    resources.defer(() => clearInterval(heartbeat));
    raw.once("close", () => this.#resources.dispose());
  }

  /**
   * Takes the answer over. False when the client is gone already. Errors: `overloaded` when there is no room for it or for `first`,
   * `draining`, `bad-request` where it could not be sent before another answer of its connection has ended.
   */
  begin(first = ""): boolean {
    if (this.#response.destroyed || this.#response.writableEnded) {
      this.#reply.hijack();
      this.#resources.dispose(); // its close event is over
      return false;
    }
    if (this.#held.isEnded) throw new SluiceError("draining", "the server is shutting down");
    if (this.#response.socket === null) throw new SluiceError("bad-request", pipelined);
    const place = this.#placeFor(first);
    this.#resources.use(this.#held.hold(this.#grant, () => this.end()));
    this.#reply.hijack();
    this.#response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no", // nginx would hold events back until they fill a buffer
    });
    this.#response.write(first, () => place?.[Symbol.dispose]());
    return true;
  }

  /** A client that does not read, though it got one text more than the bound, is cut off: it comes back and gets what is so then. */
  write(text: string): void {
    if (this.#response.writableEnded) return;
    if (!this.#held.allows(this.#grant)) return this.end(); // it may have expired since the last change of the keys
    if (this.#response.writableLength > this.#bytesMax + this.#largestBytes) return void this.#response.destroy();
    try {
      const place = this.#placeFor(text);
      this.#response.write(text, () => place?.[Symbol.dispose]());
    } catch {
      this.#response.destroy(); // no room
    }
  }

  get #grant(): Grant | undefined {
    return this.#reply.request.grant;
  }

  #placeFor(text: string): OutgoingPlace | undefined {
    const bytes = Buffer.byteLength(text);
    this.#largestBytes = Math.max(this.#largestBytes, bytes);
    const isHeld = this.#response.writableLength > 0;
    return isHeld || bytes > uncountedBytesMax ? this.#outgoing.take(this.#response, bytes) : undefined;
  }

  end(): void {
    this.#resources.dispose();
    this.#response.end();
  }
}

export interface EventFields {
  readonly event: string;
  readonly id?: string;
  readonly data: unknown;
}

export function eventText({ event, id, data }: EventFields): string {
  return `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
