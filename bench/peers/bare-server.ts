// The ceiling: Node's own HTTP server reads the body and answers 202. It stores nothing.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

let accepted = 0;

const server = createServer((request, response) => {
  if (request.method === "GET") return void response.end(JSON.stringify({ accepted, finished: 0 }));
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    Buffer.concat(chunks);
    accepted += 1;
    response.writeHead(202, { "content-type": "application/json" });
    response.end(`{"id":${accepted}}`);
  });
});

server.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}`));
process.once("SIGTERM", () => process.exit(0));
