import { parseArgs } from "node:util";
import { peerNames } from "./peers/peer.ts";
import type { PeerName } from "./peers/peer.ts";
import { scenarioNames } from "./scenarios/scenario.ts";
import type { ScenarioName, Settings } from "./scenarios/scenario.ts";

export const help = `Usage: npm run bench -- [flags]

Measures Sluice and its peers in one run, in turns, prints the medians and says of each bound whether it was reached.
All figures, with the CPU time and memory of each kind of process, go to a file in bench/results, after each measurement.

Scenarios:
  intake    durable 202s a second, while none is worked on
  life      from POST to stored result, a second, backlog drained
  rated     answer times at a constant rate of arrivals
  backlog   life with nothing, a tenth of --waiting, and all of it waiting ahead
  restart   Sluice is killed with all of --waiting waiting: the time until the first delivery, memory
  small     bodies of 100 B, 8 KB and 256 KB: MB a second, beside the disk's fsynced rate
  lines     life where each request has one of 100,000 order keys, of 1,000 groups and of 8 urgencies, beside life without.
            BullMQ gets priorities (its groups are in BullMQ Pro), pg-boss priorities and singletonKey under the policy
            key_strict_fifo, graphile-worker priorities and queue names
  neighbours how long ten quiet tenants wait for B, which processes 64 requests at once in 200 ms each: alone; beside one that
            sends nine in ten requests, more than B can process; the same over 10,000 order keys, and ten times slower
  loss      the worker is killed again and again: what was answered with 202 and has no result (one round)

Peers:
  bare             node:http that stores nothing: the ceiling
  bullmq           Fastify + BullMQ, Redis with appendfsync always
  textbook         Fastify, RabbitMQ quorum queue with confirms, SETNX in Redis, results in PostgreSQL
  pg-boss          Fastify + pg-boss on PostgreSQL
  graphile-worker  Fastify + graphile-worker on PostgreSQL
  sluice           Sluice, embedded
  cluster          Sluice, cluster: PostgreSQL, RabbitMQ, Redis
  cluster-postgres Sluice, cluster on PostgreSQL alone

Flags:
  --only NAMES         scenarios, separated by commas (all)
  --peers NAMES        peers, separated by commas (all); a bound needs both of its peers in the run
  --rounds N           rounds of each (3)
  --seconds N          how long intake, life, backlog, small and lines are posted to (10)
  --rated-seconds N    how long requests arrive in rated (20)
  --rate N             arrivals an hour in rated (200000)
  --waiting N          the backlog of backlog and restart (1000000)
  --loss-requests N    requests of loss (20000)
  --kills N            kills of loss (20)
  --connections N      connections in intake, life, backlog, small and lines (128)
  --chart FILE         draw intake and life as an SVG; node bench/chart.ts RESULTS.json draws a stored run
  --profile FOLDER     leave CPU profiles of the gateways there
  --markdown           print the tables as Markdown
  --help

A whole run takes about 105 minutes on two cores, of which intake 7, life 8, rated 11, backlog 15, restart 8, small 12,
lines 15, neighbours 20 and loss 5; --only and --peers make parts of it. It wants a quiet machine, redis-server, wrk, PostgreSQL and RabbitMQ (on
Debian, as root, they are installed), and 10 GB of room for temporary files.`;

export interface Flags {
  readonly scenarios: readonly ScenarioName[];
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  readonly isMarkdown: boolean;
  readonly isHelp: boolean;
  /** Where the chart is written. */
  readonly chartFile: string | undefined;
  readonly settings: Settings;
}

export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: scenarioNames.join(",") },
      peers: { type: "string", default: peerNames.join(",") },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "10" },
      "rated-seconds": { type: "string", default: "20" },
      rate: { type: "string", default: "200000" },
      waiting: { type: "string", default: "1000000" },
      "loss-requests": { type: "string", default: "20000" },
      kills: { type: "string", default: "20" },
      connections: { type: "string", default: "128" },
      chart: { type: "string" },
      profile: { type: "string" },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const settings = {
    seconds: count("--seconds", values.seconds),
    ratedSeconds: count("--rated-seconds", values["rated-seconds"]),
    ratePerHour: count("--rate", values.rate),
    waiting: count("--waiting", values.waiting),
    lossRequests: count("--loss-requests", values["loss-requests"]),
    kills: count("--kills", values.kills),
    connections: count("--connections", values.connections),
    profileFolder: values.profile,
  };
  if (settings.lossRequests < 2 * settings.kills)
    throw new Error(`--loss-requests must be at least 2 × --kills, got ${settings.lossRequests} and ${settings.kills}`);
  return {
    scenarios: choose("--only", values.only, scenarioNames),
    peers: choose("--peers", values.peers, peerNames),
    rounds: count("--rounds", values.rounds),
    isMarkdown: values.markdown,
    isHelp: values.help,
    chartFile: values.chart,
    settings,
  };
}

function choose<Name extends string>(flag: string, text: string, names: readonly Name[]): readonly Name[] {
  const asked = text.split(",");
  const unknown = asked.find((name) => !names.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`${flag} takes names of ${names.join(", ")}, got "${unknown}"`);
  return names.filter((name) => asked.includes(name));
}

function count(flag: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${flag} must be a whole number above zero, got "${text}"`);
  return Number(text);
}
