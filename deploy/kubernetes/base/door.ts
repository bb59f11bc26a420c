// The way from a cluster's network to a gateway that listens on its pod's loopback only. It passes everything on from those
// who show the token as `Authorization: Bearer …`, and the two probes from anybody. It has no state; the gateway sets the
// bounds. Once Sluice has API keys of its own, the gateway does this itself.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from "node:http";

const tokenCharactersMin = 32;
const probes = ["/livez", "/readyz"];
const gateway = new URL(process.env["GATEWAY_URL"] ?? "http://127.0.0.1:8080");
const port = Number(process.env["DOOR_PORT"] ?? 8081);
const agent = new Agent({ keepAlive: true });
const token = digestOf(readToken());

const server = createServer((from, to) => {
  if (isAllowed(from)) pass(from, to);
  else refuse(to, 401, "Show the token as Authorization: Bearer", { "www-authenticate": "Bearer" });
});
server.listen(port, () => console.log(`The door to ${gateway.href} is on port ${String(boundPort())}`));
// What is under way may finish: the gateway, which stops at the same time, ends it.
process.once("SIGTERM", () => {
  server.close();
  console.log("The door closes");
});

function readToken(): string {
  const text = readFileSync(process.env["DOOR_TOKEN_FILE"] ?? "/run/secrets/door/door-token", "utf8").trim();
  if (text.length >= tokenCharactersMin) return text;
  console.error(`the token must have ${tokenCharactersMin} characters or more, got ${text.length}`);
  process.exit(78);
}

function boundPort(): number | undefined {
  const address = server.address();
  return typeof address === "object" ? address?.port : undefined;
}

function isAllowed({ method, url, headers }: IncomingMessage): boolean {
  if (method === "GET" && probes.includes(url ?? "")) return true;
  const shown = /^Bearer (\S+)$/i.exec(headers.authorization ?? "")?.[1];
  return shown !== undefined && timingSafeEqual(digestOf(shown), token);
}

/** Of one length for all, so that a comparison tells nothing by its time. */
function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function pass(from: IncomingMessage, to: ServerResponse): void {
  // The token is the door's alone, and a connection ends at each hop.
  const { authorization: _token, connection: _connection, expect: _expect, ...headers } = from.headers;
  const { method, url: path } = from;
  const inner = request({ agent, host: gateway.hostname, port: gateway.port, method, path, headers });
  inner.once("response", (answer) => {
    const { connection: _ends, "keep-alive": _keeps, ...told } = answer.headers;
    to.writeHead(answer.statusCode ?? 502, told);
    answer.once("error", () => to.destroy());
    answer.pipe(to);
  });
  inner.once("error", () => {
    if (to.headersSent) to.destroy();
    else refuse(to, 502, "The gateway does not answer", { "retry-after": "1" });
  });
  to.once("close", () => inner.destroy());
  from.pipe(inner);
}

function refuse(to: ServerResponse, status: number, title: string, headers: Readonly<Record<string, string>>): void {
  to.writeHead(status, { ...headers, "content-type": "application/problem+json" });
  to.end(JSON.stringify({ status, title }));
}
