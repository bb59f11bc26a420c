import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

// Outgoing connections, and servers that ask for any port, get theirs from 32768 up.
const portMin = 10_000;
const portMax = 32_767;

/** A loopback port that is free now, and that the system gives to nobody else while its server is away. */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(portMin, portMax + 1);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false; // in use: another one is tried
  }
  server.close();
  await once(server, "close");
  return true;
}
