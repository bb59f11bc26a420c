import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, startChild, temporaryFolder } from "@sluice/testing";
import { body as order } from "./body.ts";

export interface WrkOptions {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  /** JSON; the order of 512 bytes unless given. */
  readonly body?: string;
  /** POST unless given. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** How many order keys, groups and urgencies each request gets one of; none unless given. */
  readonly places?: Places | undefined;
}

export interface Places {
  readonly orders: number;
  readonly groups: number;
  readonly urgencies: number;
}

export interface WrkReport {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface WrkLine {
  readonly answers: number;
  readonly micros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly errors: number;
}

/** Posts as fast as it is answered, over connections that stay open. Any refused or failed request fails the run. */
export async function runWrk(options: WrkOptions): Promise<WrkReport> {
  const { url, seconds, connections, body = order, method = "POST", headers = {}, places } = options;
  const command = findProgram({ program: "wrk", debianPackage: "wrk" });
  const script = fileURLToPath(new URL("./post.lua", import.meta.url));
  await using folder = await temporaryFolder();
  const bodyFile = join(folder.path, "body"); // an environment variable holds 128 KiB at most
  await writeFile(bodyFile, body);
  const args = ["--threads", "1", "--connections", String(connections), "--duration", `${seconds}s`];
  await using wrk = await startChild({
    command,
    args: [...args, "--timeout", "30s", "--script", script, url],
    env: {
      BENCH_BODY_FILE: method === "GET" ? "/dev/null" : bodyFile,
      BENCH_METHOD: method,
      BENCH_PLACES: places === undefined ? "" : `${places.orders} ${places.groups} ${places.urgencies}`,
      BENCH_HEADERS: Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\n`)
        .join(""),
    },
  });
  const [, json = ""] = await wrk.line(/^RESULT (.*)$/);
  const line = JSON.parse(json) as WrkLine;
  if (line.errors > 0) throw new Error(`${line.errors} of ${line.answers} requests to ${url} failed:\n${wrk.output()}`);
  return {
    answers: line.answers,
    perSecond: line.answers / (line.micros / 1e6),
    p50Ms: line.p50Micros / 1e3,
    p99Ms: line.p99Micros / 1e3,
  };
}
