import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { bodyHashOf } from "./body-hash.ts";
import { ChainCheck, dayMs, isWhole, linksOf, type Linked, type NewLink, type PlacedLink } from "./chain.ts";
import { firstSeqAt, idBytes, requestIdOf, type RequestId } from "./request-id.ts";

const noon = Date.UTC(2026, 10, 30, 12);

function acceptedAt(timeMs: number, count = 1): readonly Linked[] {
  return Array.from({ length: count }, (_, index) => ({
    id: requestIdOf(firstSeqAt(timeMs) + index, randomBytes(8)),
    bodyHash: bodyHashOf(Buffer.from(`body ${index}`)),
  }));
}

/** Links of commits so many milliseconds after noon, with so many requests each. */
function chainOf(...commits: readonly (readonly [afterMs: number, count: number])[]): readonly NewLink[] {
  const links: NewLink[] = [];
  for (const [afterMs, count] of commits) links.push(...linksOf(acceptedAt(noon + afterMs, count), links.at(-1)));
  return links;
}

function placed({ ids, digests, ...link }: NewLink): PlacedLink {
  return { ...link, count: ids.byteLength / idBytes, hasDigests: digests !== undefined };
}

test("a place counts the requests before it, over the hours of a day, and a new day begins a chain", () => {
  const links = chainOf([0, 1], [1, 600], [dayMs / 4, 2], [dayMs / 2, 1]);
  assert.deepEqual(
    links.map(({ place, ids }) => [place, ids.byteLength / idBytes]),
    [
      [0, 1],
      [1, 512],
      [513, 88],
      [601, 2],
      [0, 1],
    ],
  );
  const [first, last] = [links[0] as NewLink, links[4] as NewLink];
  assert.deepEqual(new Set(links.slice(0, 4).map(({ chain }) => chain)), new Set([first.first]));
  assert.deepEqual([last.chain, last.previous], [last.first, new Uint8Array(32)]);
  const check = new ChainCheck();
  for (const link of links) {
    assert.deepEqual(check.look(placed(link)), { isFollowing: true, gap: undefined });
    assert.ok(isWhole(link));
  }
});

test("a chain that has used up its places ends", () => {
  const [first] = chainOf([0, 1]) as [NewLink];
  const [next] = linksOf(acceptedAt(noon + 1), { ...first, place: 2 ** 31 - 300 }) as [NewLink];
  assert.deepEqual([next.chain, next.place], [next.first, 0]);
});

test("what is not there before a link is a gap, at the beginning of a chain too", () => {
  const links = chainOf([0, 2], [1_000, 3], [2_000, 1], [3_000, 1]);
  const [first, , third, fourth] = links as [NewLink, NewLink, NewLink, NewLink];
  const check = new ChainCheck();
  check.look(placed(first));
  assert.deepEqual(check.look(placed(third)), {
    isFollowing: true,
    gap: { chain: first.chain, fromPlace: 2, toPlace: 5, after: first.last, before: third.first },
  });
  assert.deepEqual(check.look(placed(fourth)), { isFollowing: true, gap: undefined });
  assert.deepEqual(new ChainCheck().look(placed(third)).gap, {
    chain: first.chain,
    fromPlace: 0,
    toPlace: 5,
    after: undefined,
    before: third.first,
  });
});

test("a link that was changed, moved or made twice does not pass", () => {
  const [first, second, third] = chainOf([0, 1], [1, 2], [2, 1]) as [NewLink, NewLink, NewLink];
  for (const field of ["previous", "hash", "ids", "digests"] as const) {
    const bytes = Uint8Array.from(second[field]);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    assert.equal(isWhole({ ...second, [field]: bytes }), false, field);
  }
  assert.equal(isWhole({ ...second, digests: second.digests.subarray(1) }), false);
  const follows = (...links: readonly PlacedLink[]): boolean => {
    const check = new ChainCheck();
    return links.map((link) => check.look(link).isFollowing).every(Boolean);
  };
  assert.ok(follows(placed(first), placed(second), placed(third)));
  assert.ok(!follows(placed(first), placed(second), placed(second)));
  assert.ok(!follows(placed(first), { ...placed(second), previous: new Uint8Array(32) }));
  assert.ok(!follows({ ...placed(first), chain: second.first }));
  assert.ok(!follows(placed(first), placed(second), { ...placed(third), place: 2 }));
});

test("a link without digests counts links, and what is not there before it may have expired", () => {
  const old = (link: NewLink, place: number): PlacedLink => ({ ...placed(link), place, hasDigests: false });
  const [first, second, third] = chainOf([0, 5], [1, 2], [2, 1]) as [NewLink, NewLink, NewLink];
  const check = new ChainCheck();
  check.look(old(first, 0));
  assert.ok(check.look(old(second, 1)).isFollowing);
  assert.ok(!check.look({ ...old(third, 2), previous: new Uint8Array(32) }).isFollowing);
  assert.deepEqual(new ChainCheck().look(old(third, 2)), { isFollowing: true, gap: undefined });
});

test("a digest is the beginning of the SHA-256 of the body", () => {
  const body = randomBytes(1_000) as Uint8Array;
  const id = "019b76da-a800-7000-8000-000000000001" as RequestId;
  const [link] = linksOf([{ id, bodyHash: bodyHashOf(body) }], undefined);
  assert.deepEqual(Buffer.from(link?.digests ?? []), createHash("sha256").update(body).digest().subarray(0, 16));
});
