import { getJson } from "./get-json.ts";
import { startNodeProcess } from "./node-process.ts";
import type { Counts, Peer, PeerOptions, RunningPeer } from "./peer.ts";

/** Node's own HTTP server: what any gateway in Node.js can reach at most. */
export const bare: Peer = {
  name: "bare",
  async start({ profileFolder }: PeerOptions): Promise<RunningPeer> {
    const server = await startNodeProcess({ script: new URL("./bare-server.ts", import.meta.url), profileFolder });
    return {
      intakeUrl: `${server.url}/requests`,
      processes: [{ role: "gateway", pid: server.pid }],
      counts: async () => (await getJson(`${server.url}/counts`)) as Counts,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};
