// What is acknowledged, held against what RabbitMQ makes of it; the channel only notes what it is told.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Channel, ConsumeMessage } from "amqplib";
import fc from "fast-check";
import { Acknowledgements } from "./acknowledgements.ts";

/** Unacknowledged tags as RabbitMQ keeps them: one that it does not know closes the channel. */
class Ledger {
  readonly unacknowledged = new Set<number>();
  acknowledgements = 0;

  get channel(): Channel {
    const ack = ({ fields: { deliveryTag } }: ConsumeMessage, isRun: boolean): void => {
      this.acknowledgements += 1;
      assert.ok(this.unacknowledged.has(deliveryTag), `PRECONDITION_FAILED: unknown delivery tag ${deliveryTag}`);
      if (!isRun) this.unacknowledged.delete(deliveryTag);
      else for (const tag of this.unacknowledged) if (tag <= deliveryTag) this.unacknowledged.delete(tag);
    };
    return { ack } as unknown as Channel;
  }
}

function deliver(ledger: Ledger, acknowledgements: Acknowledgements, deliveryTag: number): () => void {
  ledger.unacknowledged.add(deliveryTag);
  return acknowledgements.expect({ fields: { deliveryTag } } as ConsumeMessage);
}

describe("acknowledgements", () => {
  it("are said for all that is done, and for nothing else, in any order", async () => {
    const turns = fc.array(fc.array(fc.nat(39), { maxLength: 12 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(turns, async (turnsOfTags) => {
        const ledger = new Ledger();
        const acknowledgements = new Acknowledgements(ledger.channel);
        const dones: (() => void)[] = [];
        const left = new Set<number>();
        for (const tags of turnsOfTags) {
          for (let more = 0; more < 3; more += 1) {
            left.add(dones.length);
            dones.push(deliver(ledger, acknowledgements, dones.length + 1));
          }
          for (const tag of tags) {
            dones[tag]?.();
            if (tag < dones.length) left.delete(tag);
          }
          await turn();
          assert.deepEqual(
            [...ledger.unacknowledged],
            [...left].map((tag) => tag + 1),
          );
        }
      }),
    );
  });

  it("go in one for a run from the oldest, and not before the turn is over", async () => {
    const ledger = new Ledger();
    const acknowledgements = new Acknowledgements(ledger.channel);
    const dones = Array.from({ length: 100 }, (_one, index) => deliver(ledger, acknowledgements, index + 1));
    dones[50]?.();
    await turn();
    assert.equal(ledger.acknowledgements, 1);
    for (const done of dones.toReversed()) done();
    assert.equal(ledger.unacknowledged.size, 99);
    await turn();
    assert.equal(ledger.unacknowledged.size, 0);
    assert.equal(ledger.acknowledgements, 2);
  });

  it("that are left are said when it closes, and none after", async () => {
    const ledger = new Ledger();
    const acknowledgements = new Acknowledgements(ledger.channel);
    const [first, second] = [deliver(ledger, acknowledgements, 1), deliver(ledger, acknowledgements, 2)];
    first();
    acknowledgements.close();
    assert.deepEqual([...ledger.unacknowledged], [2]);
    second();
    await turn();
    assert.deepEqual([...ledger.unacknowledged], [2]);
  });
});
