// A connection between a process and a server: what is sent arrives in its order, after a while, or never.
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

export type ServerName = "ledger" | "broker" | "cache";

/** What each end is told. */
export interface WireEnds {
  /** To the process: the server has closed it, or the network has. */
  onClientClosed(why: string): void;
  /** To the server. */
  onServerClosed(): void;
}

export class Wire {
  readonly process: Process;
  readonly server: ServerName;
  readonly #world: World;
  #ends: WireEnds | undefined;
  #isClientOpen = true;
  #isServerOpen = true;
  #atServer = 0;
  #atClient = 0;

  constructor(world: World, process: Process, server: ServerName) {
    this.#world = world;
    this.process = process;
    this.server = server;
    process.wires.add(this);
    world.network.wires.add(this);
  }

  set ends(ends: WireEnds) {
    this.#ends = ends;
  }

  get isClientOpen(): boolean {
    return this.#isClientOpen;
  }

  get isServerOpen(): boolean {
    return this.#isServerOpen;
  }

  /** To the server. */
  send(act: () => void): void {
    if (!this.#isClientOpen) return;
    this.#toServer(() => {
      if (this.#isServerOpen) act();
    });
  }

  /** To the process. */
  answer(act: () => void): void {
    if (!this.#isServerOpen) return;
    this.#toClient(() => {
      if (this.#isClientOpen) act();
    });
  }

  /** What was sent before arrives before; nothing is heard any more. */
  closeByClient(): void {
    if (!this.#isClientOpen) return;
    this.#isClientOpen = false;
    this.#toServer(() => this.#endServer());
    this.#forgetIfOver();
  }

  closeByServer(why: string): void {
    if (!this.#isServerOpen) return;
    this.#endServer();
    this.#toClient(() => this.#endClient(why));
  }

  /** The network drops it: what is under way is lost, and each end hears of it in its own time. */
  reset(why: string): void {
    if (this.#isServerOpen) {
      this.#isServerOpen = false;
      this.#world.time.after(this.#world.network.latencyMs(), () => this.#ends?.onServerClosed());
    }
    if (this.#isClientOpen)
      this.#world.time.after(this.#world.network.latencyMs(), () => this.#endClient(why), this.process);
    this.#forgetIfOver();
  }

  /** The host is gone without a word: the server goes on waiting for it. */
  vanish(serverHearsAfterMs: number): void {
    this.#isClientOpen = false;
    this.#world.time.after(serverHearsAfterMs, () => this.#endServer());
  }

  #endClient(why: string): void {
    if (!this.#isClientOpen) return;
    this.#isClientOpen = false;
    this.#ends?.onClientClosed(why);
    this.#forgetIfOver();
  }

  #endServer(): void {
    if (!this.#isServerOpen) return;
    this.#isServerOpen = false;
    this.#ends?.onServerClosed();
    this.#forgetIfOver();
  }

  #forgetIfOver(): void {
    if (this.#isClientOpen || this.#isServerOpen) return;
    this.process.wires.delete(this);
    this.#world.network.wires.delete(this);
  }

  #toServer(act: () => void): void {
    this.#atServer = this.#world.network.arrival(this, this.#atServer);
    this.#world.time.at(this.#atServer, act);
  }

  #toClient(act: () => void): void {
    this.#atClient = this.#world.network.arrival(this, this.#atClient);
    this.#world.time.at(this.#atClient, act, this.process);
  }
}
