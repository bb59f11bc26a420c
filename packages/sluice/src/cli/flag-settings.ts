// The settings that flags alone have, and the options of a command line that are settings.
import { InvalidArgumentError, Option } from "commander";
import { messageOf } from "../core/errors.ts";
import { rangeOf, readSetting, ruleOf, type Setting } from "../core/setting.ts";

export const memberSettings = {
  replicas: { kind: "integer", min: "1", max: "256", default: "1" },
  waitForServers: { kind: "duration", min: "0s", max: "24h", default: "0s" },
  every: { kind: "duration", min: "100ms", max: "10m", default: "5s" },
} as const satisfies Readonly<Record<string, Setting>>;

export const clientSettings = {
  wait: { kind: "duration", min: "0s", max: "30d" },
  retryFor: { kind: "duration", min: "0s", max: "30d", default: "10s" },
  listLimit: { kind: "integer", min: "1", max: "1000", default: "20" },
  replayLimit: { kind: "integer", min: "1", max: "1000000" },
  expires: { kind: "duration", min: "1s", max: "3650d" },
  priority: { kind: "integer", min: "0", max: "7" },
} as const satisfies Readonly<Record<string, Setting>>;

const rate = { kind: "rate", min: "1/d", max: "1000000/s" } as const;

export const planSettings = {
  service: rate,
  rate,
  replicas: { kind: "integer", min: "1", max: "1000", default: "4" },
  min: { kind: "integer", min: "1", max: "1000", default: "1" },
  maxWait: { kind: "duration", min: "1ms", max: "30d", default: "5m" },
  hold: { kind: "duration", min: "0s", max: "30d", default: "5m" },
  disk: { kind: "size", min: "0B", max: "1TiB", default: "2KiB" },
  draw: { kind: "integer", min: "1", max: "1000" },
  concurrency: { kind: "integer", min: "1", max: "10000" },
  riseEvery: { kind: "duration", min: "1s", max: "30d" },
} as const satisfies Readonly<Record<string, Setting>>;

export const rehearseSettings = {
  service: rate,
  speed: { kind: "factor", min: "0.001x", max: "100000x", default: "60x" },
  /** Their ids stay in memory. */
  requests: { kind: "integer", min: "1", max: "5000000" },
  kills: { kind: "integer", min: "1", max: "10000" },
  orders: { kind: "integer", min: "1", max: "1000000" },
  seed: { kind: "integer", min: "0", max: String(Number.MAX_SAFE_INTEGER) },
  patience: { kind: "duration", min: "1s", max: "24h", default: "2m" },
} as const satisfies Readonly<Record<string, Setting>>;

/** An option whose value commander gives as a number; a duration without a unit is in seconds. */
export function settingOption(flags: string, text: string, setting: Setting): Option {
  const option = new Option(flags, `${text} (${setting.min} to ${setting.max})`).argParser(settingFlag(setting));
  const { default: fallback } = setting;
  return fallback === undefined ? option : option.default(readSetting(flags, setting, fallback), fallback);
}

/** An option that goes before the same setting of the file, by which it is read. */
export function overrideOption(flags: string, text: string, setting: Setting): Option {
  return new Option(flags, `${text} (${rangeOf(setting)})`);
}

function settingFlag(setting: Setting): (text: string) => number {
  return (text) => parsedFlag(() => readSetting("It", setting, withUnit(setting, text)) as number);
}

function withUnit({ kind }: Setting, text: string): string {
  return kind === "duration" && /^\d+(\.\d+)?$/.test(text) ? `${text}s` : text;
}

/** What a flag parses to; commander is told why it does not. */
export function parsedFlag<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArgumentError(`${messageOf(error)}.`);
  }
}

/** `--wait [duration]` may have swallowed the argument after it. */
export function waitOption(text: string): Option {
  const { wait } = clientSettings;
  return new Option(
    "-w, --wait [duration]",
    `${text} (seconds, or 5m, up to ${wait.max}; without it no limit)`,
  ).argParser((given) => {
    try {
      return settingFlag(wait)(given);
    } catch {
      throw new InvalidArgumentError(`It must be ${ruleOf(wait)}, got "${given}"; write --wait last, or --wait=30s.`);
    }
  });
}
