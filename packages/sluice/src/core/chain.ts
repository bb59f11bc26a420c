// The chain of accepted requests. Each link holds the ids of one commit, a digest of each body, and a hash over them and the
// link before. What vanishes from the store is named by its link, and so is a body that was changed; links that vanish leave
// a gap in the places of their chain.
import { createHash } from "node:crypto";
import { digestsOf, type BodyHash } from "./body-hash.ts";
import { bytesOfIds, idBytes, timeOfId, type RequestId } from "./request-id.ts";

export interface Link {
  /** The first request of the chain: each process begins one for each queue and day. */
  readonly chain: RequestId;
  /** How many requests of the chain come before it. In a link without digests: how many links. */
  readonly place: number;
  /** The hash of the link before; zeros at place 0. */
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
  /** Sixteen bytes each, in the order of acceptance. */
  readonly ids: Uint8Array;
  /** Sixteen bytes each, in the same order. Links that earlier versions made have none. */
  readonly digests: Uint8Array | undefined;
}

/** A link that is not stored yet. */
export interface NewLink extends Link {
  readonly digests: Uint8Array;
  readonly first: RequestId;
  readonly last: RequestId;
}

/** What a link tells of a request. */
export interface Linked {
  readonly id: RequestId;
  readonly bodyHash: BodyHash;
}

/** Ids in one link at most: what retention deletes in one step. */
const linkIdsMax = 512;
/** A place is stored in four bytes. */
const placeMax = 2 ** 31 - 1;
const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** The links of newly accepted requests of one queue, in order, after `last`: the chain's last link, if it has one. */
export function linksOf(accepted: readonly Linked[], last: NewLink | undefined): readonly NewLink[] {
  const links: NewLink[] = [];
  for (let from = 0; from < accepted.length;) {
    const hour = hourOfId((accepted[from] as Linked).id);
    let before = from + 1;
    while (before < accepted.length && before - from < linkIdsMax && hourOfId((accepted[before] as Linked).id) === hour)
      before += 1;
    links.push(linkOf(accepted.slice(from, before), links.at(-1) ?? last));
    from = before;
  }
  return links;
}

function linkOf(accepted: readonly Linked[], last: NewLink | undefined): NewLink {
  const [{ id: first }] = accepted as [Linked];
  const ids = bytesOfIds(accepted.map(({ id }) => id));
  const digests = digestsOf(accepted.map(({ bodyHash }) => bodyHash));
  const place = last === undefined ? 0 : last.place + last.ids.byteLength / idBytes;
  const isSameChain = last !== undefined && dayOfId(last.chain) === dayOfId(first) && place <= placeMax - linkIdsMax;
  const previous = isSameChain ? last.hash : new Uint8Array(32);
  return {
    chain: isSameChain ? last.chain : first,
    place: isSameChain ? place : 0,
    previous,
    hash: hashOf({ previous, ids, digests }),
    ids,
    digests,
    first,
    last: (accepted.at(-1) as Linked).id,
  };
}

function hashOf({ previous, ids, digests }: Omit<Link, "chain" | "place" | "hash">): Uint8Array {
  const hash = createHash("sha256").update(previous).update(ids);
  return (digests === undefined ? hash : hash.update(digests)).digest();
}

/** The hour of acceptance that an id carries, in milliseconds since 1970. */
export function hourOfId(id: RequestId): number {
  return Math.floor(timeOfId(id) / hourMs) * hourMs;
}

/** The day of acceptance (UTC) that an id carries, in milliseconds since 1970. */
export function dayOfId(id: RequestId): number {
  return Math.floor(timeOfId(id) / dayMs) * dayMs;
}

/** A link by what is needed to follow its chain. */
export interface PlacedLink extends Pick<Link, "chain" | "place" | "previous" | "hash"> {
  readonly first: RequestId;
  readonly last: RequestId;
  /** How many ids it holds. */
  readonly count: number;
  readonly hasDigests: boolean;
}

/** Places of a chain that no link has: retention removed them, or they are lost. */
export interface ChainGap {
  readonly chain: RequestId;
  readonly fromPlace: number;
  /** The place of the link after. */
  readonly toPlace: number;
  /** The last request before them; undefined where the chain's beginning is gone. */
  readonly after: RequestId | undefined;
  /** The first request after them. */
  readonly before: RequestId;
}

interface Step {
  /** False when the link does not follow from the one before it. */
  readonly isFollowing: boolean;
  /** What is not there directly before it. */
  readonly gap: ChainGap | undefined;
}

interface ChainEnd {
  readonly place: number;
  readonly hash: Uint8Array;
  readonly last: RequestId | undefined;
}

const beginning: ChainEnd = { place: 0, hash: new Uint8Array(32), last: undefined };

/** Follows chains, link by link in the order of acceptance. */
export class ChainCheck {
  readonly #endOf = new Map<RequestId, ChainEnd>();

  look({ chain, place, previous, hash, first, last, count, hasDigests }: PlacedLink): Step {
    const known = this.#endOf.get(chain);
    this.#endOf.set(chain, { place: place + (hasDigests ? count : 1), hash, last });
    // Of a link without digests, retention may have removed those before it without a note.
    const end = known ?? (hasDigests ? beginning : undefined);
    if (end === undefined) return { isFollowing: true, gap: undefined };
    if (place === end.place)
      return { isFollowing: isSame(end.hash, previous) && (place > 0 || first === chain), gap: undefined };
    const gap = { chain, fromPlace: end.place, toPlace: place, after: end.last, before: first };
    return { isFollowing: place > end.place || !hasDigests, gap: hasDigests && place > end.place ? gap : undefined };
  }
}

/** Whether a link is what its hash says. */
export function isWhole({ hash, ...link }: Link): boolean {
  const { ids, digests } = link;
  if (ids.byteLength === 0 || ids.byteLength % idBytes !== 0) return false;
  return isSame(hash, hashOf(link)) && (digests === undefined || digests.byteLength === ids.byteLength);
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
