// The listeners that the admin routes may have for themselves. They take every call; where they are open, the others know no admin
// routes.
import type { IncomingMessage } from "node:http";
import type { App } from "./context.ts";
import type { Listener } from "./listener.ts";

export class AdminListener {
  readonly #calls = new WeakSet<IncomingMessage>();
  #isOpen = false;

  /** Whether an admin call may come the way that this one came. */
  takes(call: IncomingMessage): boolean {
    return !this.#isOpen || this.#calls.has(call);
  }

  /** Resolves with the port once it listens. */
  async listen(app: App, listener: Listener, at: { readonly host: string; readonly port: number }): Promise<number> {
    const port = await listener.listen((call, answer) => {
      this.#calls.add(call);
      app.routing(call, answer);
    }, at);
    this.#isOpen = true;
    return port;
  }
}
