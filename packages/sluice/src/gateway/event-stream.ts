// A stream of server-sent events. It owns its answer, its heartbeat and its place among the held answers until it ends,
// and lets go of the resources that it was given. It ends when the key that it was asked with no longer holds.
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { GatewayContext } from "./context.ts";

export class EventStream {
  readonly #response: ServerResponse;
  readonly #resources: DisposableStack;
  readonly #isAllowed: () => boolean;
  #bytesMax: number;

  constructor({ limits, held }: GatewayContext, { request, raw }: FastifyReply, resources: DisposableStack) {
    const { grant } = request;
    this.#isAllowed = () => held.allows(grant); // it may have expired since the last change of the keys
    this.#response = raw;
    this.#bytesMax = limits.streamBytesMax;
    this.#resources = resources;
    const heartbeat = setInterval(() => this.write(": still here\n\n"), limits.heartbeatMs);
    resources.defer(() => clearInterval(heartbeat));
    resources.use(held.hold(grant, () => this.end()));
    raw.once("close", () => this.#resources.dispose());
  }

  /** False when the client is gone already. What is sent first does not count against the bound. */
  begin(first = ""): boolean {
    if (this.#response.destroyed || this.#response.writableEnded) {
      this.#resources.dispose(); // its close event is over
      return false;
    }
    this.#response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no", // nginx would hold events back until they fill a buffer
    });
    this.#bytesMax += Buffer.byteLength(first);
    this.write(first);
    return true;
  }

  /** A client that does not read is cut off: it comes back and gets what is so then. */
  write(text: string): void {
    if (this.#response.writableEnded) return;
    if (!this.#isAllowed()) return this.end();
    this.#response.write(text);
    if (this.#response.writableLength > this.#bytesMax) this.#response.destroy();
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
