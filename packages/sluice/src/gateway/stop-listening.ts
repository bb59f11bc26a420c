// Takes a server off its port. What the system has connected and nobody has taken yet would be reset, with the request that a proxy may
// have sent on it: so the port is left right after a turn of the event loop in which there was nothing to take.
import { Server } from "node:net";
import { setImmediate } from "node:timers/promises";

/** A turn that is shorter found nothing to do. */
const quietMs = 0.05;
/** Of a server that is never that quiet: then any turn has to do. */
const turnsMax = 2_000;

/** Connections that are open stay open, idle ones too. */
export async function stopListening(servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    await quietTurn();
    // Of net alone: the one of http goes through all connections first.
    if (server.listening) Server.prototype.close.call(server);
  }
}

async function quietTurn(): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn += 1) {
    const startedAt = performance.now();
    await setImmediate();
    if (performance.now() - startedAt < quietMs) return;
  }
}
