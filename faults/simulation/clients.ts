// Clients of the gateways, with books of what they were told: accepted with an id, refused, or nothing.
import { SluiceError } from "../../packages/sluice/src/core/errors.ts";
import type { Placement } from "../../packages/sluice/src/core/placement.ts";
import type { NewRequest } from "../../packages/sluice/src/core/request.ts";
import type { AcceptResult } from "../../packages/sluice/src/engine/engine.ts";
import type { Member } from "./member.ts";
import type { Asking, Sending } from "./plan.ts";
import type { Seat } from "./seats.ts";
import { bodyOf } from "./service-b.ts";
import type { World } from "./world.ts";

type Told =
  | { readonly kind: "answered"; readonly result: AcceptResult }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "unknown" };

export interface Sent {
  readonly sending: Sending;
  readonly ids: Set<string>;
  isCancelled: boolean;
}

const againMs = 300;
const patienceMs = 20_000;

export class Clients {
  readonly sent = new Map<number, Sent>();
  readonly #world: World;
  readonly #gateways: readonly Seat[];
  #underWay = 0;

  constructor(world: World, gateways: readonly Seat[]) {
    this.#world = world;
    this.#gateways = gateways;
  }

  get isDone(): boolean {
    return this.#underWay === 0;
  }

  get acceptedCount(): number {
    return [...this.sent.values()].filter(({ ids }) => ids.size > 0).length;
  }

  send(sending: Sending): void {
    this.sent.set(sending.tag, { sending, ids: new Set(), isCancelled: false });
    for (let times = sending.isTwice ? 2 : 1; times > 0; times -= 1)
      this.#later(sending.atMs, () => this.#sendUntilKnown(sending));
  }

  ask(asking: Asking): void {
    this.#later(asking.atMs, () => this.#ask(asking));
  }

  #later(ms: number, work: () => Promise<void>): void {
    this.#underWay += 1;
    this.#world.time.after(ms, () => {
      work()
        .catch((error: unknown) => this.#world.checks.threw(error))
        .finally(() => (this.#underWay -= 1));
    });
  }

  /** With a key an unknown one is sent again; without, nobody may. */
  async #sendUntilKnown(sending: Sending): Promise<void> {
    const { tag, key, queue } = sending;
    const placement = this.#placementOf(sending);
    const request = {
      queue,
      key,
      contentType: "application/json",
      headers: undefined,
      body: bodyOf(sending),
      placement,
    };
    let isUnknown = false;
    for (;;) {
      const member = await this.#someGateway();
      const told = await this.#accept(member, request);
      this.#world.note("client", () => `tag ${tag} at ${member.process.name}: ${JSON.stringify(told)}`);
      if (told.kind === "answered") return this.#note(sending, told.result);
      isUnknown ||= told.kind === "unknown";
      if (isUnknown && key === undefined) return;
      if (told.kind === "refused" && !isUnknown) this.#assertNotStored(sending, told.message);
      await this.#world.time.sleep(againMs);
    }
  }

  #placementOf({ waitsMs, lastsMs, order, group, urgency }: Sending): Placement | undefined {
    const after = (ms: number | undefined): number | undefined => ms && this.#world.ledger.clockMs + ms;
    if ((waitsMs ?? lastsMs ?? order ?? group ?? urgency) === undefined) return undefined;
    return { notBefore: after(waitsMs), expiresAt: after(lastsMs), order, group, urgency };
  }

  #note({ tag }: Sending, result: AcceptResult): void {
    if (result.kind !== "accepted") return this.#world.checks.broke(`tag ${tag} was answered with ${result.kind}`);
    const [receipt] = result.receipts;
    const sent = this.sent.get(tag);
    if (receipt === undefined || sent === undefined) return this.#world.checks.broke(`tag ${tag} has no receipt`);
    sent.ids.add(receipt.id);
    if (sent.ids.size > 1) this.#world.checks.broke(`tag ${tag} has two ids under one key`);
    if (!this.#world.ledger.tables.requests.has(receipt.id))
      this.#world.checks.broke(`tag ${tag} has a receipt and is not stored`);
  }

  /** A refusal says that nothing was stored. */
  #assertNotStored({ tag, queue, key, isTwice }: Sending, message: string): void {
    if (isTwice) return;
    const isThere = (): boolean =>
      [...this.#world.ledger.tables.requests.rows.values()].some(({ body }) => body.includes(`{"tag":${tag},`));
    if (isThere()) this.#world.checks.broke(`tag ${tag} (${queue}, ${key}) was refused and is stored: ${message}`);
  }

  #accept(member: Member, request: NewRequest): Promise<Told> {
    const { process, engine } = member;
    return this.#answered<Told>(member, () =>
      process.inside(() =>
        engine.accept([request]).then(
          (result) => ({ kind: "answered", result }),
          (error: unknown) => {
            if (!(error instanceof SluiceError) || !error.isRetryable) this.#world.checks.threw(error);
            const isKnown = error instanceof SluiceError && error.code !== "commit-unknown";
            return isKnown ? { kind: "refused", message: error.message } : { kind: "unknown" };
          },
        ),
      ),
    );
  }

  /** Undefined, as unknown, when the process goes or takes too long. */
  #answered<Value extends { readonly kind: string }>(
    member: Member,
    ask: () => Promise<Value>,
  ): Promise<Value | { readonly kind: "unknown" }> {
    const { promise, resolve } = Promise.withResolvers<Value | { readonly kind: "unknown" }>();
    const unknown = (): void => resolve({ kind: "unknown" });
    member.process.onGone.add(unknown);
    const late = this.#world.time.after(patienceMs, unknown);
    ask()
      .then(resolve, (error: unknown) => {
        if (!(error instanceof SluiceError) || !error.isRetryable) this.#world.checks.threw(error);
        unknown();
      })
      .finally(() => (late.isCancelled = true));
    return promise;
  }

  async #ask(asking: Asking): Promise<void> {
    const member = await this.#someGateway();
    const { engine, process } = member;
    this.#world.note("client", () => `asks ${process.name} for ${JSON.stringify(asking)}`);
    switch (asking.kind) {
      case "cancel": {
        const sent = this.sent.get(asking.tag);
        const [id] = sent?.ids ?? [];
        if (sent === undefined || id === undefined) return;
        sent.isCancelled = true; // perhaps
        await this.#answered(member, () => process.inside(() => engine.cancel(id as never)));
        return;
      }
      case "replay": {
        const filter = { queue: asking.queue, limit: 10, isDryRun: false };
        const replayed = process.inside(() => engine.replayMany(filter));
        await this.#answered(member, () => replayed.then(() => ({ kind: "answered" })));
        return;
      }
      case "pause":
        await this.#pause(asking.queue, true);
        await this.#world.time.sleep(asking.forMs);
        await this.#pause(asking.queue, false);
        return;
      default:
        asking satisfies never;
    }
  }

  async #pause(queue: string, isPaused: boolean): Promise<void> {
    for (;;) {
      const member = await this.#someGateway();
      const told = await this.#answered(member, () =>
        member.process.inside(() => member.engine.pause(queue, isPaused).then(() => ({ kind: "answered" }))),
      );
      if (told.kind === "answered") return;
      await this.#world.time.sleep(againMs);
    }
  }

  async #someGateway(): Promise<Member> {
    for (;;) {
      const open = this.#gateways.flatMap(({ member }) => member ?? []);
      const member = open[this.#world.random.between(0, open.length - 1)];
      if (member !== undefined) return member;
      await this.#world.time.sleep(againMs);
    }
  }
}
