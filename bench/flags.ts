import { parseArgs } from "node:util";
import { peerNames } from "./peers/peer.ts";
import type { PeerName } from "./peers/peer.ts";
import { scenarioNames } from "./scenarios/scenario.ts";
import type { ScenarioName, Settings } from "./scenarios/scenario.ts";

export const help = `Usage: npm run bench -- [flags]

Measures Sluice and its peers in one run, in turns, and prints the medians.

  --only NAMES         scenarios, of ${scenarioNames.join(",")} (all)
  --peers NAMES        peers, of ${peerNames.join(",")} (all)
  --rounds N           rounds of each (3)
  --seconds N          how long intake and life are posted to (10)
  --rated-seconds N    how long requests arrive in rated (20)
  --rate N             arrivals an hour in rated (200000)
  --waiting N          the backlog of waiting (1000000)
  --connections N      connections in intake and life (128)
  --profile FOLDER     leave CPU profiles of the gateways there
  --markdown           print the tables as Markdown
  --help`;

export interface Flags {
  readonly scenarios: readonly ScenarioName[];
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  readonly isMarkdown: boolean;
  readonly isHelp: boolean;
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
      connections: { type: "string", default: "128" },
      profile: { type: "string" },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    scenarios: choose("--only", values.only, scenarioNames),
    peers: choose("--peers", values.peers, peerNames),
    rounds: count("--rounds", values.rounds),
    isMarkdown: values.markdown,
    isHelp: values.help,
    settings: {
      seconds: count("--seconds", values.seconds),
      ratedSeconds: count("--rated-seconds", values["rated-seconds"]),
      ratePerHour: count("--rate", values.rate),
      waiting: count("--waiting", values.waiting),
      connections: count("--connections", values.connections),
      profileFolder: values.profile,
    },
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
