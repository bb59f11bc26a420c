// Runs one random history against the engine and the model side by side, and compares them after every command.
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Claim, Delivery, Receipt } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { MoveResult } from "../engine.ts";
import type { Command } from "./command.ts";
import { Model, type ModelMove, type ModelRequest } from "./model.ts";
import { done, hourMs, request, type Rig } from "./rig.ts";

export interface HistoryOptions {
  readonly rig: Rig;
  readonly queue: string;
  readonly crashesMax: number;
}

interface Held {
  readonly claim: Claim;
  /** The same claim in the model. */
  readonly number: number;
}

export class History {
  readonly #rig: Rig;
  readonly #queue: string;
  readonly #model: Model;
  /** By place in the model. */
  readonly #ids: RequestId[] = [];
  readonly #held: Held[] = [];

  constructor({ rig, queue, crashesMax }: HistoryOptions) {
    this.#rig = rig;
    this.#queue = queue;
    this.#model = new Model({ crashesMax });
  }

  async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      await this.#step(command);
      await this.#compare();
    }
    await this.#drain();
  }

  async #step(command: Command): Promise<void> {
    switch (command.verb) {
      case "accept":
        return this.#accept(command);
      case "deliver":
        await this.#deliver(command.max);
        return;
      case "settle":
        return this.#settle(command);
      case "retry":
        return this.#retry(command);
      case "replay":
        return this.#move(command.place, (id, place) => [
          this.#rig.engine.replay(id),
          this.#model.replay(place, this.#rig.now()),
        ]);
      case "cancel":
        return this.#move(command.place, (id, place) => [
          this.#rig.engine.cancel(id),
          this.#model.cancel(place, this.#rig.now()),
        ]);
      case "replayMany":
        return this.#replayMany(command);
      case "pause":
        this.#model.pause(command.isPaused);
        return this.#rig.engine.pause(this.#queue, command.isPaused);
      case "pass":
        return this.#rig.pass(2 * hourMs);
      case "crash":
        this.#model.crash();
        return this.#rig.crash();
      case "close":
        this.#model.close();
        return this.#rig.restart();
      default:
        command satisfies never;
    }
  }

  async #accept({ inputs }: Extract<Command, { verb: "accept" }>): Promise<void> {
    const sent = inputs.map(({ key, sender, body }) => ({ ...request({ queue: this.#queue, body }), key, sender }));
    const answered = await this.#rig.engine.accept(sent);
    const expected = this.#model.accept(inputs);
    if (answered.kind !== "accepted" || expected.kind !== "accepted") {
      deepEqual(answered, expected);
      return;
    }
    for (const [index, place] of expected.places.entries()) {
      const receipt: Receipt | undefined = answered.receipts[index];
      ok(receipt !== undefined, "a receipt is missing");
      this.#ids[place] ??= receipt.id;
      equal(receipt.id, this.#ids[place]);
      equal(receipt.isReplayed, expected.isReplayed[index]);
    }
  }

  async #deliver(max: number): Promise<number> {
    const { count, first, fresh } = this.#model.deliverable(max, this.#rig.now());
    if (count === 0) {
      await this.#rig.assertNothingToDeliver(this.#queue);
      return 0;
    }
    const deliveries = await this.#rig.take(max, this.#queue);
    equal(deliveries.length, count);
    const places = deliveries.map(({ claim }) => this.#ids.indexOf(claim.id));
    const comingBack = places.slice(0, first.size);
    ok(
      comingBack.every((place) => first.has(place)),
      `${places.join()} must begin with ${[...first].join()}`,
    );
    equal(new Set(places).size, count);
    deepEqual(places.slice(first.size), fresh.slice(0, Math.max(0, count - first.size)));
    for (const [index, delivery] of deliveries.entries()) this.#take(delivery, places[index] ?? -1);
    return count;
  }

  #take({ claim, attempt, request: delivered }: Delivery, place: number): void {
    const expected = this.#model.requests[place] as ModelRequest;
    equal(attempt, expected.attempts + 1);
    equal(Buffer.from(delivered.body).toString(), expected.body);
    this.#held.push({ claim, number: this.#model.delivered(place) });
  }

  async #settle({ claim, error }: { readonly claim: number; readonly error: string | undefined }): Promise<void> {
    const held = this.#pickClaim(claim);
    if (held === undefined) return;
    if (error === undefined) {
      const settled = await this.#rig.engine.settle(held.claim, done());
      equal(settled, this.#model.settle(held.number, { state: "done" }));
    } else {
      const failure = { code: error, message: error };
      const settled = await this.#rig.engine.settle(held.claim, { kind: "dead", failure });
      equal(settled, this.#model.settle(held.number, { state: "dead", error }));
    }
  }

  async #retry({ claim, isFuture, error, isCounted }: Extract<Command, { verb: "retry" }>): Promise<void> {
    const held = this.#pickClaim(claim);
    if (held === undefined) return;
    const dueAt = isFuture ? this.#rig.now() + hourMs : 0;
    const failure = error === undefined ? undefined : { code: error, message: error };
    const settled = await this.#rig.engine.retry(held.claim, { dueAt, failure, isCounted });
    equal(settled, this.#model.retry(held.number, { dueAt, error, isCounted }));
  }

  async #move(
    pick: number,
    act: (id: RequestId, place: number) => readonly [Promise<MoveResult>, ModelMove],
  ): Promise<void> {
    const place = this.#ids.length - 1 - (pick % Math.max(1, this.#ids.length));
    const id = this.#ids[place];
    if (id === undefined) return;
    const [moving, expected] = act(id, place);
    deepEqual(await moving, expected);
  }

  async #replayMany({ error, limit, isDryRun }: Extract<Command, { verb: "replayMany" }>): Promise<void> {
    const dead = this.#model.dead(error);
    const matched = Math.min(limit, dead.length);
    const filter = { queue: this.#queue, errorCode: error, limit, isDryRun };
    const report = await this.#rig.engine.replayMany(filter);
    deepEqual({ ...report }, { total: dead.length, matched, replayed: isDryRun ? 0 : matched });
    // Which of them it took is the engine's choice; the model follows.
    for (const { place } of isDryRun ? [] : dead) {
      const state = await this.#rig.stateOf(this.#ids[place] as RequestId);
      if (state !== "dead") this.#model.replay(place, this.#rig.now());
    }
    equal(this.#model.dead(error).length, dead.length - (isDryRun ? 0 : matched));
  }

  #pickClaim(pick: number): Held | undefined {
    return this.#held.at(-1 - (pick % Math.max(1, this.#held.length)));
  }

  async #compare(): Promise<void> {
    const now = this.#rig.now();
    const { engine } = this.#rig;
    const told = (await engine.list({ queue: this.#queue, limit: 1_000 })).map(({ lastError, ...status }) => {
      const { id, key, sender, state, attempts, bytes } = status;
      return { id, key, sender, state, attempts, error: lastError?.code, bytes };
    });
    const expected = this.#model.requests.map((model) => ({
      id: this.#ids[model.place],
      key: model.key,
      sender: model.sender,
      state: this.#model.stateOf(model, now),
      attempts: model.attempts,
      error: model.lastError,
      bytes: model.body.length,
    }));
    deepEqual(told, expected.toReversed());
    const status = (await engine.backlog()).find((candidate) => candidate.queue === this.#queue);
    deepEqual({ ...status?.counts }, this.#model.counts(now));
    const unfinished = expected.filter(({ state }) => ["waiting", "scheduled", "running"].includes(state));
    equal(
      status?.backlogBytes,
      unfinished.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    await this.#rig.assertLaw();
  }

  /** Everything accepted comes to its end, each with one outcome. */
  async #drain(): Promise<void> {
    await this.#step({ verb: "pause", isPaused: false });
    await this.#step({ verb: "pass" });
    for (const held of this.#held) {
      equal(await this.#rig.engine.settle(held.claim, done()), this.#model.settle(held.number, { state: "done" }));
    }
    while ((await this.#deliver(100)) > 0) await this.#settleRunning();
    await this.#compare();
    const { waiting, scheduled, running } = this.#model.counts(this.#rig.now());
    deepEqual([waiting, scheduled, running], [0, 0, 0]);
  }

  async #settleRunning(): Promise<void> {
    const running = this.#held.filter(({ number }) => this.#model.requests.some(({ claim }) => claim === number));
    for (const { claim, number } of running) {
      equal(await this.#rig.engine.settle(claim, done()), this.#model.settle(number, { state: "done" }));
    }
  }
}
