import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SeqSource, firstSeqAt, parseRequestId, requestIdOf, seqOf, timeOfSeq } from "./request-id.ts";

const epochMs = Date.UTC(2026, 0, 1);
const anySeq = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const randomHalf = fc.uint8Array({ minLength: 8, maxLength: 8 });
const anyTime = fc.integer({ min: epochMs, max: Date.UTC(2095, 0, 1) });

test("an id gives back its sequence number and time, and is an RFC 9562 UUIDv7", () => {
  fc.assert(
    fc.property(anySeq, randomHalf, (seq, random) => {
      const id = requestIdOf(seq, random);
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(seqOf(id), seq);
      assert.equal(Number.parseInt(id.slice(0, 13).replace("-", ""), 16), timeOfSeq(seq));
    }),
  );
});

test("the random half of an id is kept, but for the two bits of the variant", () => {
  fc.assert(
    fc.property(anySeq, randomHalf, (seq, random) => {
      const kept = Buffer.from(requestIdOf(seq, random).slice(19).replace("-", ""), "hex");
      const [first = 0, ...rest] = random;
      assert.deepEqual([...kept], [(first & 0x3f) | 0x80, ...rest]);
    }),
  );
});

test("the random half may lie anywhere in a larger buffer", () => {
  const pool = Uint8Array.from({ length: 32 }, (_, index) => index);
  assert.equal(requestIdOf(0, pool.subarray(16, 24)), requestIdOf(0, pool.slice(16, 24)));
});

test("ids sort as their sequence numbers do, whatever is random in them", () => {
  fc.assert(
    fc.property(anySeq, anySeq, randomHalf, randomHalf, (left, right, leftRandom, rightRandom) => {
      fc.pre(left !== right);
      assert.equal(requestIdOf(left, leftRandom) < requestIdOf(right, rightRandom), left < right);
    }),
  );
});

test("an id is read in either case, and no other change to it is overlooked", () => {
  fc.assert(
    fc.property(anySeq, randomHalf, (seq, random) => {
      const id = requestIdOf(seq, random);
      assert.equal(parseRequestId(id), id);
      assert.equal(parseRequestId(id.toUpperCase()), id);
      for (const other of [`${id} `, ` ${id}`, id.slice(1), `${id}0`, id.replaceAll("-", ""), `{${id}}`]) {
        assert.equal(parseRequestId(other), undefined, other);
      }
    }),
  );
});

test("ids that Sluice cannot have given are refused", () => {
  const ours = requestIdOf(firstSeqAt(Date.UTC(2026, 6, 1)), new Uint8Array(8));
  const changed = (index: number, digit: string): string => ours.slice(0, index) + digit + ours.slice(index + 1);
  const foreign = {
    empty: "",
    "the nil UUID": "00000000-0000-0000-0000-000000000000",
    "a UUIDv4": changed(14, "4"),
    "another variant": changed(19, "c"),
    "no hexadecimal": changed(35, "g"),
    "a time before 2026": "019b0000-0000-7000-8000-000000000000",
    "a time after 2095": "ffffffff-ffff-7fff-bfff-ffffffffffff",
  };
  for (const [what, text] of Object.entries(foreign)) assert.equal(parseRequestId(text), undefined, what);
});

test("the first and the last id there can be are read", () => {
  for (const seq of [0, Number.MAX_SAFE_INTEGER]) {
    const id = requestIdOf(seq, new Uint8Array(8));
    assert.equal(parseRequestId(id), id);
  }
});

test("text of any kind parses or is refused, and never throws", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.equal(parseRequestId(text), undefined)));
});

test("the first sequence number of a time is the lowest that carries this time", () => {
  fc.assert(
    fc.property(anyTime, (timeMs) => {
      assert.equal(timeOfSeq(firstSeqAt(timeMs)), timeMs);
      if (timeMs > epochMs) assert.equal(timeOfSeq(firstSeqAt(timeMs) - 1), timeMs - 1);
    }),
  );
  assert.equal(firstSeqAt(0), 0);
});

test("sequence numbers only grow, under a clock that jumps both ways and over restarts", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyTime, fc.boolean()), { minLength: 1 }), (steps) => {
      let last = -1;
      let source = new SeqSource(last);
      for (const [nowMs, isRestart] of steps) {
        if (isRestart) source = new SeqSource(last);
        const seq = source.next(nowMs);
        assert.ok(seq > last);
        assert.ok(timeOfSeq(seq) >= nowMs);
        last = seq;
      }
    }),
  );
});

test("a clock beyond all bounds gives numbers that can be read back, and leaves room for more", () => {
  for (const nowMs of [Date.UTC(2200, 0), 8.64e15, Number.POSITIVE_INFINITY]) {
    const source = new SeqSource(-1);
    const first = source.next(nowMs);
    assert.ok(Number.isSafeInteger(first + 2 ** 40));
    assert.equal(source.next(nowMs), first + 1);
    assert.ok(source.next(Date.UTC(2026, 6)) > first);
  }
});

test("more than 4,096 ids in a millisecond borrow from the next one", () => {
  const source = new SeqSource(-1);
  const nowMs = Date.UTC(2026, 6, 1);
  const seqs = Array.from({ length: 5_000 }, () => source.next(nowMs));
  assert.equal(new Set(seqs).size, 5_000);
  assert.equal(timeOfSeq(seqs[4_095] as number), nowMs);
  assert.equal(timeOfSeq(seqs[4_096] as number), nowMs + 1);
  assert.equal(timeOfSeq(source.next(nowMs + 10)), nowMs + 10);
});
