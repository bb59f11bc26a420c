// The health check of the image, whatever runs in it: one that listens is asked whether it lives; of the others, whose
// process is the container, being there is all that can be told. Ends with 0 or 1.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get as askPlainly, type IncomingMessage } from "node:http";
import { get as askSecurely } from "node:https";

const commandLine = process.argv[2] ?? "/proc/1/cmdline";
const args = readFileSync(commandLine, "utf8").split("\0");
const listens = args.includes("gateway") || args.includes("up");
process.exitCode = listens ? await ask(portOf(args)) : 0;

/** As the command itself reads it. A port that stands in sluice.config.ts is not seen here: set PORT instead. */
function portOf(given: readonly string[]): string {
  const at = given.indexOf("--port");
  const joined = given.find((arg) => arg.startsWith("--port="))?.slice("--port=".length);
  return (at === -1 ? joined : given[at + 1]) ?? (process.env["PORT"] || "8080");
}

async function ask(port: string): Promise<number> {
  try {
    return (await statusOf(port)) === 200 ? 0 : 1;
  } catch (error) {
    console.error(`no answer on port ${port}: ${String(error)}`);
    return 1;
  }
}

async function statusOf(port: string): Promise<number | undefined> {
  const isSecure = args.some((arg) => arg.startsWith("--tls-cert")) || Boolean(process.env["SLUICE_TLS_CERT_FILE"]);
  const options = { host: "127.0.0.1", port, path: "/livez", signal: AbortSignal.timeout(4_000) };
  // It asks itself, by an address that its certificate need not name.
  const asked = isSecure ? askSecurely({ ...options, rejectUnauthorized: false }) : askPlainly(options);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}
