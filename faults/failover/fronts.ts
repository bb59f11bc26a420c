// How the processes of a cluster reach the primary of a pair: they know both hosts, or something in front finds it.
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { lastingPort, startHaproxy, startPgbouncer, startProxy, type PostgresPair } from "@sluice/testing";

export const frontNames = ["hosts", "address", "haproxy", "pgbouncer"] as const;

export type FrontName = (typeof frontNames)[number];

export interface Front extends AsyncDisposable {
  urlOf(database: string): string;
}

const opens: Readonly<Record<FrontName, (pair: PostgresPair) => Promise<Front>>> = {
  /** Both hosts in the URL. */
  hosts: (pair) =>
    Promise.resolve({ urlOf: (database) => pair.urlOf(database), [Symbol.asyncDispose]: () => Promise.resolve() }),
  /** One address that leads new connections to the primary, and closes none: as a virtual IP or a service does. */
  async address(pair) {
    const proxy = await startProxy({ port: () => pair.primaryPort });
    return { urlOf: urlAt(proxy.port), [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
  },
  haproxy: openHaproxy,
  /** PgBouncer in transaction mode, before such an address. Else it asks a server that it did not reach after 15 s again. */
  async pgbouncer(pair) {
    await using resources = new AsyncDisposableStack();
    const address = resources.use(await startProxy({ port: () => pair.primaryPort }));
    const pgbouncer = resources.use(
      await startPgbouncer({ serverPort: address.port, settings: { server_login_retry: "1" } }),
    );
    const owned = resources.move();
    return { urlOf: (database) => pgbouncer.urlOf(database), [Symbol.asyncDispose]: () => owned.disposeAsync() };
  },
};

export function openFront(name: FrontName, pair: PostgresPair): Promise<Front> {
  return opens[name](pair);
}

/**
 * As before Patroni: HAProxy asks at each server whether it leads, and ends the connections to one that does not. Unless told
 * otherwise it also tries a server that refuses a connection three times more, a second apart, before it says so.
 */
async function openHaproxy(pair: PostgresPair): Promise<Front> {
  await using resources = new AsyncDisposableStack();
  const servers: string[] = [];
  for (const serverPort of pair.ports) {
    const asked = resources.use(await answerWhether(() => pair.primaryPort === serverPort));
    servers.push(`  server at-${serverPort} 127.0.0.1:${serverPort} check port ${asked.port}`);
  }
  const port = await lastingPort();
  resources.use(
    await startHaproxy(`defaults
  mode tcp
  retries 0
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
listen postgres
  bind 127.0.0.1:${port}
  option httpchk GET /primary
  default-server inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
${servers.join("\n")}`),
  );
  const owned = resources.move();
  return { urlOf: urlAt(port), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What Patroni's REST interface answers to HAProxy. */
async function answerWhether(leads: () => boolean): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_, response) => void response.writeHead(leads() ? 200 : 503).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function urlAt(port: number): (database: string) => string {
  return (database) => `postgres://sluice@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}
