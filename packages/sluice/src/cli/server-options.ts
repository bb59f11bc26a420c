// The flags of every command that talks to a running server, and the client they make.
import { SluiceClient } from "@sluice/client";
import { InvalidArgumentError, Option, type Command } from "commander";
import { readSecret } from "../config/secret.ts";

export interface ServerOptions {
  readonly url: string;
  readonly json?: true;
}

export function addServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", "where the gateway listens")
        .env("SLUICE_URL")
        .default("http://127.0.0.1:8080")
        .argParser(parseUrl),
    )
    .option("--json", "print JSON, in the shapes of the HTTP API; errors too");
}

export interface Patience {
  /** How long an unreachable or busy server is tried again, in milliseconds. */
  readonly retryForMs: number;
  /** How long one answer may take, in milliseconds. */
  readonly answerWithinMs?: number;
}

/** Long enough for a server that restarts, short enough for somebody who waits. */
const readPatience: Patience = { retryForMs: 2_000 };

export function clientOf({ url }: ServerOptions, { retryForMs, answerWithinMs = 30_000 } = readPatience): SluiceClient {
  return new SluiceClient({
    url,
    apiKey: readSecret("SLUICE_API_KEY", process.env),
    retry: {
      attemptsMax: Number.POSITIVE_INFINITY,
      elapsedMaxMs: retryForMs,
      backoffMaxMs: 2_000,
      attemptTimeoutMs: answerWithinMs,
    },
  });
}

/** For what reads or changes every row of a queue. Left alone, fetch gives up after five minutes without an answer. */
export async function bulkClientOf(options: ServerOptions): Promise<SluiceClient> {
  const answerWithinMs = 600_000;
  const { getGlobalDispatcher, setGlobalDispatcher } = await import("undici");
  const patient = getGlobalDispatcher().compose(
    (dispatch) => (options, handler) => dispatch({ ...options, headersTimeout: answerWithinMs }, handler),
  );
  setGlobalDispatcher(patient);
  return clientOf(options, { ...readPatience, answerWithinMs });
}

export function parseUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return text;
  throw new InvalidArgumentError(`Expected a URL such as http://127.0.0.1:8080, got "${text}".`);
}

/** `9464` on the loopback, or `0.0.0.0:9464`. */
export function addressFlag(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ""] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits !== "" && port <= 65_535) return { host: bracketed ?? plain ?? "127.0.0.1", port };
  throw new InvalidArgumentError(`Expected a port to 65535 such as 9464, or 0.0.0.0:9464, got "${text}".`);
}

/** `--wait` alone waits until the outcome comes. */
export function waitMs(wait: true | number): number {
  return wait === true ? Number.POSITIVE_INFINITY : wait;
}
