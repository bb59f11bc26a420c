// The places in the cluster: each has one process at a time, and a new one is started where one is gone.
import type { Handler } from "../../packages/sluice/src/worker/handler.ts";
import { Member } from "./member.ts";
import { Process, type Role } from "./process.ts";
import type { World } from "./world.ts";

const restartMs = 400;

export class Seat {
  readonly role: Role;
  readonly no: number;
  readonly #world: World;
  readonly #handle: Handler;
  readonly #skewMs: number;
  #life = 0;
  #process: Process | undefined;
  #member: Member | undefined;
  #isClosed = false;

  constructor(
    world: World,
    { role, no, handle }: { readonly role: Role; readonly no: number; readonly handle: Handler },
  ) {
    this.role = role;
    this.no = no;
    this.#world = world;
    this.#handle = handle;
    this.#skewMs = world.random.next() < 0.3 ? world.random.between(-3_600_000, 3_600_000) : 0;
  }

  get process(): Process | undefined {
    return this.#process;
  }

  /** Undefined while it starts, and once it is told to stop. */
  get member(): Member | undefined {
    return this.#member?.isStopping === false ? this.#member : undefined;
  }

  start(): void {
    if (this.#isClosed || this.#process !== undefined) return;
    this.#life += 1;
    const name = `${this.role}-${this.no}.${this.#life}`;
    const process = new Process(this.#world, { role: this.role, name, skewMs: this.#skewMs });
    this.#process = process;
    process.onGone.add(() => {
      this.#process = undefined;
      this.#member = undefined;
      this.#world.note(process, () => "is gone");
      this.#world.time.after(restartMs + this.#world.random.next() * restartMs, () => this.start());
    });
    this.#world.note(process, () => "starts");
    process.inside(() => {
      Member.open(this.#world, process, this.#handle).then(
        (member) => (this.#member = member),
        (error: unknown) => {
          this.#world.note(process, () => `could not start: ${String(error)}`);
          process.kill();
        },
      );
    });
  }

  /** As SIGTERM: it leaves in order, and is killed when it takes too long. */
  stop(mostMs: number): void {
    const member = this.member;
    const process = this.#process;
    if (member === undefined || process === undefined) return;
    process.inside(() => {
      member.stop().then(
        () => process.kill(),
        (error: unknown) => this.#world.checks.threw(error),
      );
    });
    this.#world.time.after(mostMs, () => {
      if (!process.isGone) this.#world.note(process, () => "took too long to stop");
      process.kill();
    });
  }

  /** No new process from here on. */
  close(): void {
    this.#isClosed = true;
  }
}
