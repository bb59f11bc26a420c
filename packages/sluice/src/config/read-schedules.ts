// Schedules of a configuration. What a cron pattern says is read where the schedules are prepared: a library does it.
import { SluiceError } from "../core/errors.ts";
import { missedPolicies, type Beat, type MissedPolicy, type Schedule } from "../core/schedule.ts";
import { readSetting, wrong } from "../core/setting.ts";
import type { SluiceConfig } from "./config.ts";
import { scheduleSettings } from "./declared-settings.ts";
import { assertObject } from "./read-value.ts";
import type { QueueSettings } from "./settings.ts";

const scheduleFields = ["queue", "cron", "every", "timeZone", "body", "missed"];
const scheduleName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const schedulesMax = 1_000;
const cronCharsMax = 200;

interface ScheduleNeeds {
  readonly queues: readonly QueueSettings[];
  readonly bodyBytesMax: number;
}

/** Errors: `bad-config`, naming the schedule. */
export function readSchedules(given: SluiceConfig["schedules"], needs: ScheduleNeeds): readonly Schedule[] {
  if (given === undefined) return [];
  const isObject = typeof given === "object" && given !== null && !Array.isArray(given);
  if (!isObject) throw wrong("schedules", "must be an object of schedules by their names", given);
  const schedules = Object.entries(given);
  if (schedules.length > schedulesMax)
    throw wrong("schedules", `has at most ${schedulesMax} schedules`, schedules.length);
  return schedules.map(([name, schedule]) => readSchedule(name, schedule, needs));
}

type Given = Readonly<Record<string, unknown>>;

function readSchedule(name: string, schedule: unknown, { queues, bodyBytesMax }: ScheduleNeeds): Schedule {
  if (!scheduleName.test(name))
    throw wrong("a schedule's name", "is 1 to 63 letters, digits, dots, dashes or underscores", name);
  const at = (field: string): string => `schedules.${name}.${field}`;
  assertObject(`schedules.${name}`, schedule, scheduleFields);
  const { queue: named, body, missed = "last", ...when } = schedule as Given;
  const queue = queues.find((one) => one.name === named);
  if (queue === undefined) throw wrong(at("queue"), "must be a queue of this configuration", named);
  if (!missedPolicies.some((policy) => policy === missed))
    throw wrong(at("missed"), 'must be "skip", "last" or "all"', missed);
  return {
    name,
    queue: queue.name,
    beat: readBeat(name, when),
    missed: missed as MissedPolicy,
    body: readBody(at("body"), body, bodyBytesMax),
    callback: queue.callback?.url,
  };
}

function readBeat(name: string, { cron, every, timeZone }: Given): Beat {
  const place = `schedules.${name}`;
  if ((cron === undefined) === (every === undefined))
    throw new SluiceError(
      "bad-config",
      `${place} needs one of cron and every, got ${cron === undefined ? "none" : "both"}`,
    );
  const everyMs = readSetting(`${place}.every`, scheduleSettings.every, every);
  if (everyMs !== undefined) {
    if (timeZone !== undefined) throw wrong(`${place}.timeZone`, "goes with cron", timeZone);
    return { kind: "every", text: String(every), everyMs };
  }
  const isCron = typeof cron === "string" && cron.length <= cronCharsMax && cron.trim().split(/\s+/).length === 5;
  if (!isCron)
    throw wrong(`${place}.cron`, 'must have five fields, as "0 3 * * *": minute, hour, day, month, weekday', cron);
  return { kind: "cron", cron: cron.trim(), timeZone: readTimeZone(`${place}.timeZone`, timeZone) };
}

function readTimeZone(place: string, timeZone: unknown = "UTC"): string {
  try {
    if (typeof timeZone !== "string") throw new TypeError("no text");
    Intl.DateTimeFormat("en", { timeZone });
    return timeZone;
  } catch {
    throw wrong(place, 'must be an IANA time zone such as "Europe/Berlin"', timeZone);
  }
}

function readBody(place: string, body: unknown, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(jsonOf(place, body === undefined ? null : body));
  if (bytes.byteLength > bytesMax) throw wrong(place, `must fit bodyMax, ${bytesMax} bytes as JSON`, bytes.byteLength);
  return bytes;
}

function jsonOf(place: string, body: unknown): string {
  let text: unknown;
  try {
    text = JSON.stringify(body);
  } catch {
    // a cycle, a bigint, or what its own toJSON throws
  }
  if (typeof text === "string") return text;
  throw wrong(place, "must be a JSON value", body);
}
