// Brings the great faults about, and takes back at the end what of them still holds.
import type { Standby } from "./ledger/standby.ts";
import type { GreatFault } from "./plan.ts";
import type { Seat } from "./seats.ts";
import type { World } from "./world.ts";
import type { ServerName } from "./wire.ts";
import { prefix } from "./world.ts";

/** Longer than RabbitMQ and its client wait for a sign of life. */
const heartbeatMs = 18_000;
const stopMsMax = 30_000;
const endWaitsEachMs = 150;

export class GreatFaults {
  readonly #world: World;
  readonly #seats: readonly Seat[];

  constructor(world: World, seats: readonly Seat[]) {
    this.#world = world;
    this.#seats = seats;
  }

  schedule(fault: GreatFault): void {
    this.#world.time.after(fault.atMs, () => {
      this.#world.note("fault", () => JSON.stringify(fault));
      this.#world.faults.count(fault.kind);
      this.#bring(fault);
    });
  }

  #bring(fault: GreatFault): void {
    const { ledger, broker, cache, random } = this.#world;
    switch (fault.kind) {
      case "kill":
        return this.#seatOf(fault)?.process?.kill();
      case "vanish":
        return this.#seatOf(fault)?.process?.vanish(random.between(20_000, 60_000));
      case "freeze":
        return this.#freeze(fault);
      case "stop":
        return this.#seatOf(fault)?.stop(stopMsMax);
      case "silence":
        return this.#silence(fault);
      case "reset": {
        const process = this.#seatOf(fault)?.process;
        for (const wire of process?.wires ?? []) if (wire.server === fault.server) wire.reset("read ECONNRESET");
        return;
      }
      case "ledger-restart":
        return ledger.restart(false, fault.forMs);
      case "ledger-crash":
        return ledger.restart(true, fault.forMs);
      case "standby-away":
        return ledger.standby?.leave(fault.forMs);
      case "waits-cancelled":
        return this.#endWaits(fault, (standby) => standby.cancelWaits());
      case "waits-terminated":
        return this.#endWaits(fault, (standby) => standby.terminateWaits());
      case "failover":
        return this.#failOver(fault);
      case "broker-restart":
        return broker.restart(false, fault.forMs);
      case "broker-wipe":
        return broker.restart(true, fault.forMs);
      case "queue-deleted":
        return broker.remove(`${prefix}.${fault.queue}.v1${random.next() < 0.5 ? ".again" : ""}`);
      case "cache-restart":
        return cache.restart(fault.forMs);
      default:
        return fault satisfies never;
    }
  }

  /** While the standby is away somebody loses patience, again and again. */
  #endWaits({ forMs }: { readonly forMs: number }, end: (standby: Standby) => void): void {
    const { ledger, time } = this.#world;
    ledger.standby?.leave(forMs);
    for (let ms = endWaitsEachMs; ms < forMs; ms += endWaitsEachMs)
      time.after(ms, () => {
        if (ledger.standby !== undefined) end(ledger.standby);
      });
  }

  /** The primary has lost its standby by the time that it dies itself. */
  #failOver({ cutMs, forMs }: { readonly cutMs: number; readonly forMs: number }): void {
    const { ledger, time } = this.#world;
    ledger.standby?.leave(cutMs + 1);
    time.after(cutMs, () => ledger.failOver(forMs));
  }

  #freeze(fault: Extract<GreatFault, { kind: "freeze" }>): void {
    const process = this.#seatOf(fault)?.process;
    process?.freeze();
    this.#world.time.after(fault.forMs, () => process?.thaw());
  }

  #silence(fault: Extract<GreatFault, { kind: "silence" }>): void {
    const process = this.#seatOf(fault)?.process;
    if (process === undefined) return;
    const { server, forMs } = fault;
    const wires = [...process.wires].filter((wire) => wire.server === server);
    this.#world.network.silence(process, server satisfies ServerName, forMs);
    if (server !== "broker" || forMs < heartbeatMs) return;
    for (const wire of wires) this.#world.time.after(heartbeatMs, () => wire.reset("Heartbeat timeout"));
  }

  #seatOf({ role, seat }: { readonly role: string; readonly seat: number }): Seat | undefined {
    return this.#seats.find((one) => one.role === role && one.no === seat);
  }
}
