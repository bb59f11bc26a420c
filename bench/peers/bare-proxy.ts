// What a proxy in Node.js can reach at most: Node's own server and undici, with no rule, bound or header of its own.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, type Dispatcher } from "undici";

const origin = process.env["BENCH_TARGET"] ?? "";
const agent = new Agent({ connections: 1000 });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  const call = { origin, path: request.url ?? "/", method: request.method as Dispatcher.HttpMethod };
  agent.dispatch(call, {
    onRequestStart: () => {},
    onResponseStart: (_, status, headers) => void response.writeHead(status, headers),
    onResponseData: (_, chunk) => void chunks.push(chunk),
    // As text, which Node sends in one piece with the headers.
    onResponseEnd: () => void response.end(chunks.map((chunk) => chunk.toString("latin1")).join(""), "latin1"),
    onResponseError: () => void response.destroy(),
  });
});

server.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}`));
process.once("SIGTERM", () => process.exit(0));
