// npm run bench:front -- [--rounds N] [--seconds N]
// What the front costs: CPU time of a request through it beside one through the API, and GETs that pass through beside nginx
// with two workers and beside a proxy of Node.js that does nothing else.
import { createHmac } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePort, startNginx, startSluice, temporaryFolder } from "@sluice/testing";
import { body } from "./body.ts";
import { secret } from "./front.config.ts";
import { startNodeProcess } from "./peers/node-process.ts";
import { totalOf, usageOf, usedBetween } from "./process-usage.ts";
import { median, medianInterval } from "./statistics.ts";
import { runWrk, type WrkOptions } from "./wrk.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "5" } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const connections = 64;

/** Ten headers, as a provider of webhooks sends them. */
const headers = Object.fromEntries(
  Array.from({ length: 10 }, (_, at) => [`x-github-header-${at}`, `value ${at} of ten`]),
);
const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

interface Way extends Omit<WrkOptions, "seconds" | "connections"> {
  readonly name: string;
  /** Of the process whose CPU time counts; nobody counts that of nginx. */
  readonly pid?: number;
}

interface Figures {
  readonly perSecond: number;
  /** Zero for nginx. */
  readonly cpuSecondsPer100k: number;
}

process.exitCode = await main();

async function main(): Promise<number> {
  await using folder = await temporaryFolder();
  const [targetPort, proxyPort, frontPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const target = `http://127.0.0.1:${targetPort}`;
  await using _nginx = await startNginx(`
    upstream b { server 127.0.0.1:${targetPort}; keepalive 64; }
    server { listen 127.0.0.1:${targetPort} backlog=1024; keepalive_requests 1000000; location / { return 200 '${"x".repeat(512)}'; } }
    server {
      listen 127.0.0.1:${proxyPort} backlog=1024; keepalive_requests 1000000;
      location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }`);
  await using sluice = await startSluice({
    dataFolder: folder.path,
    configFile: fileURLToPath(new URL("./front.config.ts", import.meta.url)),
    args: ["--front", String(frontPort), "--log-level", "warn"],
    env: { BENCH_TARGET: target },
  });
  const bareProxy = new URL("./peers/bare-proxy.ts", import.meta.url);
  await using bare = await startNodeProcess({ script: bareProxy, env: { BENCH_TARGET: target } });
  for (const queue of ["orders", "passed"]) await fetch(`${sluice.url}/v1/queues/${queue}/pause`, { method: "POST" });
  const front = `http://127.0.0.1:${frontPort}`;
  const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [`sluice-forward-${name}`, value]));
  const { pid } = sluice;
  const api: Way = {
    name: "API, ten headers kept",
    url: `${sluice.url}/v1/queues/orders/requests`,
    headers: named,
    pid,
  };
  const plain: Way = { name: "front, ten headers kept", url: `${front}/plain`, headers, pid };
  const signed: Way = {
    name: "front, verified by HMAC",
    url: `${front}/signed`,
    headers: { ...headers, "x-hub-signature-256": signature },
    pid,
  };
  const passed: Way = { name: "GET through the front", url: `${front}/page`, method: "GET", pid };
  const proxiedBare: Way = { name: "GET through a bare proxy", url: `${bare.url}/page`, method: "GET", pid: bare.pid };
  const proxied: Way = { name: "GET through nginx", url: `http://127.0.0.1:${proxyPort}/page`, method: "GET" };
  const figures = await measure([api, plain, signed, passed, proxied, proxiedBare]);
  tell(figures, [plain, signed], { to: api, by: "cpuSecondsPer100k" });
  tell(figures, [passed, proxiedBare], { to: proxied, by: "perSecond" });
  tell(figures, [passed], { to: proxiedBare, by: "cpuSecondsPer100k" });
  return 0;
}

/** In turns, each round beginning with another way. */
async function measure(ways: readonly Way[]): Promise<ReadonlyMap<Way, readonly Figures[]>> {
  const figures = new Map<Way, Figures[]>(ways.map((way) => [way, []]));
  for (const way of ways) await runWrk({ ...way, seconds: 2, connections });
  for (let round = 0; round < rounds; round += 1)
    for (const way of [...ways.slice(round % ways.length), ...ways.slice(0, round % ways.length)]) {
      const own = way.pid === undefined ? [] : [{ role: "gateway and worker", pid: way.pid } as const];
      const before = usageOf(own);
      const { answers, perSecond } = await runWrk({ ...way, seconds, connections });
      const { cpuSeconds } = totalOf(usedBetween(before, usageOf(own)));
      const measured = { perSecond, cpuSecondsPer100k: (cpuSeconds / answers) * 1e5 };
      figures.get(way)?.push(measured);
      console.error(`${round + 1}/${rounds} ${way.name}: ${JSON.stringify(measured)}`);
    }
  return figures;
}

interface Told {
  readonly to: Way;
  readonly by: keyof Figures;
}

function tell(figures: ReadonlyMap<Way, readonly Figures[]>, ways: readonly Way[], { to: peer, by }: Told): void {
  const of = (way: Way): readonly number[] => (figures.get(way) ?? []).map((one) => one[by]);
  const base = of(peer);
  console.log(`${peer.name}: ${by} ${median(base).toFixed(2)}`);
  for (const way of ways) {
    const ratios = of(way).map((value, at) => value / (base[at] as number));
    const { from, to } = medianInterval(ratios);
    const spread = `${from.toFixed(2)} to ${to.toFixed(2)}, of ${ratios.length} rounds`;
    console.log(`${way.name}: ${by} ${median(of(way)).toFixed(2)}, ratio ${median(ratios).toFixed(2)} (${spread})`);
  }
}
