// What one connection to a target went through: whether it carried a request before, and whether the present one had any
// response. undici tells neither, so that a connection which the target closed between two requests looks like a target that
// broke off; see also the interim filter.
import type { Socket } from "node:net";
import { InterimFilter } from "./interim-filter.ts";

export class Connection {
  #requests = 0;
  #hasResponded = false;
  readonly #interim = new InterimFilter();

  /** Whether the target seems to have closed it before it saw the present request: an old one without a byte of response. */
  get isStale(): boolean {
    return this.#requests > 1 && !this.#hasResponded;
  }

  requestStarts(): void {
    this.#requests += 1;
    this.#hasResponded = false;
    this.#interim.expect();
  }

  /** What undici gets to see of the bytes that were read. */
  read(bytes: Buffer): Buffer | undefined {
    this.#hasResponded = true;
    return this.#interim.pass(bytes);
  }
}

/** A request that undici is about to write. */
export interface Starting {
  connection: Connection | undefined;
}

let starting: Starting | undefined;

/** undici says that it starts a request, and writes it to its connection before anything else happens. */
export function expectWrite(request: Starting): void {
  starting = request;
}

/** Sees each request as it is written to the socket, and what is read from it. */
export function watch(socket: Socket): Socket {
  const connection = new Connection();
  const write = socket.write.bind(socket) as Write;
  const read = socket.read.bind(socket) as Read;
  // Assigned one by one: Object.assign makes the socket an object that V8 is slow with.
  socket.write = ((...args) => {
    if (starting !== undefined) {
      starting.connection = connection;
      starting = undefined;
      connection.requestStarts();
    }
    return write(...args);
  }) satisfies Write as Socket["write"];
  socket.read = ((size) => {
    for (;;) {
      const bytes = read(size);
      if (bytes === null) return null;
      const left = connection.read(bytes);
      if (left !== undefined) return left;
    }
  }) satisfies Read as Socket["read"];
  return socket;
}

type Write = (chunk: string | Uint8Array, encoding?: BufferEncoding) => boolean;
type Read = (size?: number) => Buffer | null;
