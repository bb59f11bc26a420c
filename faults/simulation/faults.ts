// Small faults, drawn for each statement, publish and acknowledgement: lost connections before and after, answers that
// come late, confirms that never come, deadlocks, a process that dies between two steps.
import { seededRandom, type Random } from "../../packages/sluice/src/core/seeded-random.ts";
import { Refusal } from "./ledger/model.ts";
import type { Answer } from "./ledger/session.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

const statementFaults = ["lost-before", "lost-during", "lost-after", "deadlock", "slow", "killed-after"] as const;
const publishFaults = [
  "publish-lost",
  "confirm-lost",
  "confirm-late",
  "confirm-never",
  "double",
  "killed-publishing",
] as const;
const acknowledgementFaults = ["acknowledgement-lost", "killed-acknowledging"] as const;
type Fault = (typeof statementFaults)[number] | (typeof publishFaults)[number] | (typeof acknowledgementFaults)[number];

/** Steps of a request's path; the leader's looks come so often that they would get all of the faults. */
const steps = new Set([
  "store",
  "claim",
  "settle",
  "retry",
  "clear-outbox",
  "reap",
  "replay",
  "cancel",
  "COMMIT",
  "release-unknown",
  "settle-forgotten",
  "take-hints",
  "free-hints",
]);
/** May wait for each other in a circle. */
const deadlocking = new Set(["claim", "settle", "retry", "reap", "store", "hint-due"]);
const otherShare = 1 / 40;

export class Faults {
  isActive = true;
  readonly counts = new Map<string, number>();
  readonly #world: World;
  readonly #random: Random;
  readonly #share: number;
  readonly #gapShare: number;
  readonly #noticeShare: number;
  readonly #kinds: ReadonlySet<Fault>;

  constructor(world: World) {
    this.#world = world;
    this.#random = seededRandom(world.seed, "faults");
    const random = this.#random;
    this.#share = random.pick([0, 0.02, 0.06, 0.15]);
    this.#gapShare = random.pick([0, 0.05, 0.3]);
    this.#noticeShare = random.pick([0, 0.2, 1]);
    world.network.slowShare = random.pick([0, 0.01, 0.1]);
    const all: readonly Fault[] = [...statementFaults, ...publishFaults, ...acknowledgementFaults];
    this.#kinds = new Set(all.filter(() => random.next() < 0.5));
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** Whether others may commit between a statement's snapshot and its changes. */
  isGap(): boolean {
    return this.isActive && this.#world.record === undefined && this.#random.next() < this.#gapShare;
  }

  isNoticeLost(): boolean {
    return this.isActive && this.#random.next() < this.#noticeShare;
  }

  onStatement(
    { wire, name }: { readonly wire: Wire; readonly name: string },
    run: (reply: (answer: Answer) => void, takesMs?: number) => void,
    answered: (answer: Answer) => void,
  ): void {
    const fault = this.#draw(statementFaults, steps.has(name) ? 1 : otherShare);
    const reply = (answer: Answer): void => wire.answer(() => answered(answer));
    wire.send(() => {
      switch (fault) {
        case undefined:
          return run(reply);
        case "lost-before":
          this.#tell(fault, wire, name);
          return wire.reset("read ECONNRESET");
        case "lost-during":
          // The server goes on with what it has begun.
          this.#tell(fault, wire, name);
          run(() => undefined, this.#random.next() * 50);
          return wire.reset("read ECONNRESET");
        case "lost-after":
          return run(() => {
            this.#tell(fault, wire, name);
            wire.reset("read ECONNRESET");
          });
        case "killed-after":
          return run((answer) => {
            if (name === "SET") return reply(answer);
            this.#tell(fault, wire, name);
            wire.process.kill();
          });
        case "slow":
          this.#tell(fault, wire, name);
          return run(reply, this.#slowMs());
        case "deadlock":
          if (!deadlocking.has(name)) return run(reply);
          this.#tell(fault, wire, name);
          return reply({ kind: "refused", error: new Refusal("40P01", "deadlock detected") });
        default:
          return fault satisfies never;
      }
    });
  }

  onPublish(wire: Wire, deliver: () => void, confirm: () => void): void {
    const fault = this.#draw(publishFaults, 1);
    const confirmAfter = (ms: number): void => void this.#world.time.after(ms, confirm);
    wire.send(() => {
      if (fault !== undefined) this.#tell(fault, wire, "publish");
      switch (fault) {
        case "publish-lost":
          return wire.reset("read ECONNRESET");
        case "confirm-lost":
          deliver();
          return wire.reset("read ECONNRESET");
        case "killed-publishing":
          deliver();
          return wire.process.kill();
        case "confirm-never":
          return deliver();
        case "double":
          deliver();
          deliver();
          return confirmAfter(this.#random.next());
        case "confirm-late":
          deliver();
          return confirmAfter(this.#random.next() * 4_000);
        case undefined:
          deliver();
          return confirmAfter(this.#random.next());
        default:
          return fault satisfies never;
      }
    });
  }

  onAcknowledge(wire: Wire, act: () => void): void {
    const fault = this.#draw(acknowledgementFaults, 1);
    wire.send(() => {
      if (fault === undefined) return act();
      this.#tell(fault, wire, "ack");
      if (fault === "acknowledgement-lost") wire.reset("read ECONNRESET");
      else {
        act();
        wire.process.kill();
      }
    });
  }

  /** Mostly moments; now and then longer than a process waits. */
  #slowMs(): number {
    return this.#random.next() < 0.1 ? 14_000 + this.#random.next() * 3_000 : this.#random.next() * 500;
  }

  #draw<Kind extends Fault>(kinds: readonly Kind[], weight: number): Kind | undefined {
    if (!this.isActive || this.#random.next() >= this.#share * weight) return undefined;
    const kind = kinds[this.#random.between(0, kinds.length - 1)];
    return kind !== undefined && this.#kinds.has(kind) ? kind : undefined;
  }

  #tell(fault: Fault, wire: Wire, what: string): void {
    this.count(fault);
    this.#world.note("fault", () => `${fault}: ${what} of ${wire.process.name}`);
  }
}
