// Who is told by callbacks, in tests: a real HTTP server with books of its own. It answers as its script says, one answer
// after the other, and with 204 after the last.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** How a post is answered: a status, a connection that is reset, or silence. */
export type ScriptedAnswer = number | "reset" | "silence";

export interface Post {
  readonly path: string;
  readonly id: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly answer: ScriptedAnswer;
}

export class Receiver implements AsyncDisposable {
  readonly posts: Post[] = [];
  readonly #server = createServer((request, response) => {
    this.#receive(request, response).catch(() => response.destroy());
  });
  readonly #scripts = new Map<string, ScriptedAnswer[]>();
  #arrived = Promise.withResolvers<void>();

  static async open(): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  /** A URL of its own, with its script. */
  url(path: string, ...answers: readonly ScriptedAnswer[]): string {
    this.#scripts.set(path, [...answers]);
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  postsTo(path: string): readonly Post[] {
    return this.posts.filter((post) => post.path === path);
  }

  /** The posts to a path, once there are so many. */
  async received(path: string, count: number): Promise<readonly Post[]> {
    while (this.postsTo(path).length < count) await this.#arrived.promise;
    return this.postsTo(path);
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    const body = (await buffer(request)).toString();
    const answer = this.#scripts.get(path)?.shift() ?? 204;
    const id = String(request.headers["webhook-id"]);
    this.posts.push({ path, id, headers: request.headers, body, answer });
    if (answer === "reset") request.socket.resetAndDestroy();
    else if (answer !== "silence") response.writeHead(answer, { location: "/elsewhere" }).end();
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
