// Pages of other origins, in a real Chromium, on the machine where a gateway listens: on a foreign host, on another port of this one,
// and under a name that was pointed at the gateway. Nothing may be accepted, changed or read.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, request as send, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sluiceCommand, startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import { launchChromium } from "../../packages/dashboard/test/chromium.ts";
import { attack } from "./browsers/attack.ts";
import { isFull } from "./effort.ts";

const secret = "what only the sender may read";
const publicPaths = ["/", "/livez", "/readyz"]; // and the assets of the first
const rules = "MAP foreign.test 127.0.0.1,MAP rebound.test 127.0.0.1";

interface Victim {
  readonly sluice: Sluice;
  readonly key: string | undefined;
  /** A request that waits in a paused queue. */
  readonly id: string;
}

let browser: Awaited<ReturnType<typeof launchChromium>>;
let foreign: Server;
let [open, keyed]: [Victim?, Victim?] = [];
const resources = new AsyncDisposableStack();

before(async () => {
  const folder = resources.use(await temporaryFolder()).path;
  foreign = createServer((_request, answer) => answer.setHeader("content-type", "text/html").end("<body>"));
  await once(foreign.listen(0, "127.0.0.1"), "listening");
  resources.defer(() => void foreign.close());
  const key = makeKey(join(folder, "keyed"));
  [open, keyed, browser] = await Promise.all([
    startVictim(join(folder, "open"), undefined),
    startVictim(join(folder, "keyed"), key),
    launchChromium([`--host-resolver-rules=${rules}`]),
  ]);
});
after(async () => {
  await browser?.close();
  await resources.disposeAsync();
});

function makeKey(data: string): string {
  const args = [sluiceCommand, "keys", "create", "--name", "own", "--scope", "send,read,admin", "--data", data];
  return execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

async function startVictim(dataFolder: string, key: string | undefined): Promise<Victim> {
  const args = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];
  const sluice = resources.use(await startSluice({ dataFolder, args }));
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  await fetch(`${sluice.url}/v1/queues/orders/pause`, { method: "POST", headers });
  const accepted = await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: secret, headers });
  const { id } = (await accepted.json()) as { readonly id: string };
  return { sluice, key, id };
}

/** What the gateway holds; it changes with whatever a page achieves. */
async function heldBy({ sluice, key, id }: Victim): Promise<unknown> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const read = async (path: string) => (await fetch(sluice.url + path, { headers })).json() as Promise<never>;
  const { accepted, paused, counts }: { accepted: number; paused: boolean; counts: object } =
    await read("/v1/queues/orders");
  const { state }: { state: string } = await read(`/v1/requests/${id}`);
  return { accepted, paused, counts, state };
}

interface Seen {
  readonly path: string;
  readonly status: number;
}

/** What the page at this URL could read of the gateway, and what each of its calls was answered. */
async function tryFrom(url: string, bases: readonly string[], { sluice, id }: Victim) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const seen: Seen[] = [];
  page.on("response", (response) => {
    const { port, pathname } = new URL(response.url());
    if (port === String(sluice.port)) seen.push({ path: pathname, status: response.status() });
  });
  await page.goto(url);
  seen.length = 0; // the page itself, under a rebound name
  const read: string[] = [];
  const posts = ["/v1/queues/orders/requests", `/v1/requests/${id}/cancel`, "/v1/queues/orders/resume"];
  const gets = [`/v1/requests/${id}/body`, "/v1/overview/events"];
  if (isFull) posts.push("/v1/queues/orders/batches", "/v1/queues/orders/replay", "/v1/audit/heal");
  if (isFull) gets.push("/v1/queues", "/metrics", ...publicPaths);
  const framesMax = isFull ? 10 : 1;
  for (const base of bases) read.push(...(await page.evaluate(attack, { base, posts, gets, framesMax })));
  await context.close();
  return { read, seen };
}

const pages: Readonly<Record<string, (port: number, own: number) => string>> = {
  "on a foreign host": (port) => `http://foreign.test:${port}/`,
  "on another port of this host": (port) => `http://localhost:${port}/`,
  "under a name that was pointed at the gateway": (_port, own) => `http://rebound.test:${own}/`,
};

describe("a page of another origin", { timeout: 300_000 }, () => {
  for (const [place, urlOf] of Object.entries(pages))
    for (const name of ["open", "keyed"] as const)
      test(`${place} achieves nothing on a gateway that is ${name}`, async () => {
        const victim = (name === "open" ? open : keyed) as Victim;
        const before = await heldBy(victim);
        const { port } = victim.sluice;
        const url = urlOf((foreign.address() as AddressInfo).port, port);
        const { hostname } = new URL(url);
        const short = [hostname === "rebound.test" ? hostname : "127.0.0.1"];
        const hosts = isFull ? ["127.0.0.1", "localhost", "rebound.test", "0.0.0.0"] : short;
        const bases = hosts.map((host) => `http://${host}:${port}`);
        const { read, seen } = await tryFrom(url, bases, victim);
        assert.deepEqual(await heldBy(victim), before);
        assert.ok(seen.length > 10 * bases.length, `only ${seen.length} calls arrived`);
        const refusals = name === "open" ? [403, 421] : [401, 403];
        const isPublic = ({ path }: Seen): boolean =>
          name === "keyed" && publicPaths.includes(path.replace(/^\/assets\/.*/, "/"));
        assert.deepEqual(
          seen.filter((call) => !refusals.includes(call.status) && !isPublic(call)),
          [],
        );
        const told = read.filter((text) => /what only|"orders"|sluice_|problems/.test(text));
        assert.deepEqual(name === "open" ? told : told.filter((text) => !text.includes('"problems"')), []);
      });

  test("may link to the dashboard", async () => {
    const page = await browser.newPage();
    await page.goto(`http://foreign.test:${(foreign.address() as AddressInfo).port}/`);
    const arrived = page.waitForResponse((response) => response.url() === `${open?.sluice.url}/`);
    await page.evaluate((url) => void (location.href = url), `${open?.sluice.url}/`);
    const answer = await arrived;
    assert.match(answer.headers()["content-type"] ?? "", /^text\/html/);
    assert.notEqual(answer.status(), 403);
    await page.close();
  });
});

describe("the gateway's own page", { timeout: 120_000 }, () => {
  test("sends and reads, under each name of the loopback", async () => {
    const { sluice } = open as Victim;
    for (const host of ["127.0.0.1", "localhost"])
      assert.deepEqual(await callFrom(`http://${host}:${sluice.port}/`, {}), [202, 200, 200]);
  });

  test("does so behind a proxy that changes Host, with a key", async () => {
    const { sluice, key } = keyed as Victim;
    const proxy = createServer((request, answer) => {
      const { method, url: path, headers } = request;
      const { port } = sluice;
      const onward = send({ port, method, path, headers: { ...headers, host: "gateway.internal" } }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      request.pipe(onward);
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const url = `http://localhost:${(proxy.address() as AddressInfo).port}/`;
    assert.deepEqual(await callFrom(url, { authorization: `Bearer ${key}` }), [202, 200, 200]);
    proxy.close();
    proxy.closeAllConnections();
  });
});

/** The statuses that a page at this URL gets from its own origin: to send, to pause, and to read. */
async function callFrom(url: string, headers: Record<string, string>): Promise<readonly number[]> {
  const page = await browser.newPage();
  await page.goto(url);
  const statuses = await page.evaluate(async (own) => {
    const call = async (path: string, method: string) => (await fetch(path, { method, headers: own })).status;
    return [
      await call("/v1/queues/orders/requests", "POST"),
      await call("/v1/queues/orders/pause", "POST"),
      await call("/v1/queues", "GET"),
    ];
  }, headers);
  await page.close();
  return statuses;
}
