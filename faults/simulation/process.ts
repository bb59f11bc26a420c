// A process of the cluster, in one life: what it started is its own, and nothing of it goes on once it is gone.
import { running, type Owner } from "./time.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export type Role = "gateway" | "worker";

export interface ProcessOptions {
  readonly role: Role;
  readonly name: string;
  readonly skewMs: number;
}

export class Process implements Owner {
  readonly role: Role;
  readonly name: string;
  readonly skewMs: number;
  readonly startedAt: number;
  readonly held: (() => void)[] = [];
  readonly wires = new Set<Wire>();
  /** Told once, when it is gone. */
  readonly onGone = new Set<() => void>();
  readonly #world: World;
  #isGone = false;
  #isFrozen = false;

  constructor(world: World, { role, name, skewMs }: ProcessOptions) {
    this.#world = world;
    this.role = role;
    this.name = name;
    this.skewMs = skewMs;
    this.startedAt = world.time.now;
    world.processes.add(this);
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Runs the work as this process. */
  inside<Value>(work: () => Value): Value {
    return running.run(this, work);
  }

  /** Gone as by SIGKILL: the system closes its connections. */
  kill(): void {
    if (!this.#leave()) return;
    for (const wire of this.wires) wire.closeByClient();
  }

  /** Gone with its host: the servers wait for it. */
  vanish(serversHearAfterMs: number): void {
    if (!this.#leave()) return;
    for (const wire of this.wires) wire.vanish(serversHearAfterMs);
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    for (const run of this.held.splice(0)) this.#world.time.after(0, run, this);
  }

  #leave(): boolean {
    if (this.#isGone) return false;
    this.#isGone = true;
    this.#world.processes.delete(this);
    for (const tell of this.onGone) tell();
    return true;
  }
}

/** The process whose code runs now. */
export function processOf(): Process {
  const owner = running.getStore();
  if (owner instanceof Process) return owner;
  throw new Error("a simulated driver was called outside of a process");
}
