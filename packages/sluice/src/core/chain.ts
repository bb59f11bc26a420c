// The chain of accepted ids. Each link holds the ids of one commit and a hash over them and the link before. What vanishes
// from the store is named by its link; a link that vanishes breaks its chain, or leaves the accepted count short.
import { createHash } from "node:crypto";
import { bytesOfIds, idBytes, timeOfId, type RequestId } from "./request-id.ts";

export interface Link {
  /** The first request of the chain: each process begins one for each queue and hour. */
  readonly chain: RequestId;
  /** In the chain, from 0. */
  readonly place: number;
  /** The hash of the link before; zeros at place 0. */
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
  /** Sixteen bytes each, in the order of acceptance. */
  readonly ids: Uint8Array;
}

/** A link that is not stored yet. */
export interface NewLink extends Link {
  readonly first: RequestId;
  readonly last: RequestId;
}

/** Ids in one link at most: what retention deletes in one step. */
const linkIdsMax = 512;
const hourMs = 3_600_000;

/** The links of newly accepted ids of one queue, in order, after `last`: the chain's last link, if it has one. */
export function linksOf(ids: readonly RequestId[], last: NewLink | undefined): readonly NewLink[] {
  const links: NewLink[] = [];
  for (let from = 0; from < ids.length;) {
    const hour = hourOfId(ids[from] as RequestId);
    let before = from + 1;
    while (before < ids.length && before - from < linkIdsMax && hourOfId(ids[before] as RequestId) === hour)
      before += 1;
    links.push(linkOf(ids.slice(from, before), links.at(-1) ?? last));
    from = before;
  }
  return links;
}

function linkOf(ids: readonly RequestId[], last: NewLink | undefined): NewLink {
  const [first] = ids as [RequestId];
  const bytes = bytesOfIds(ids);
  const isSameChain = last !== undefined && hourOfId(last.chain) === hourOfId(first);
  const previous = isSameChain ? last.hash : new Uint8Array(32);
  return {
    chain: isSameChain ? last.chain : first,
    place: isSameChain ? last.place + 1 : 0,
    previous,
    hash: hashOf(previous, bytes),
    ids: bytes,
    first,
    last: ids.at(-1) as RequestId,
  };
}

function hashOf(previous: Uint8Array, ids: Uint8Array): Uint8Array {
  return createHash("sha256").update(previous).update(ids).digest();
}

/** The hour of acceptance that an id carries, in milliseconds since 1970. */
export function hourOfId(id: RequestId): number {
  return Math.floor(timeOfId(id) / hourMs) * hourMs;
}

/** Follows chains, link by link in the order of acceptance, and tells of each whether it is what was written. */
export class ChainCheck {
  readonly #lastOf = new Map<RequestId, { readonly place: number; readonly hash: Uint8Array }>();

  /** False when the link was changed, or does not follow from the one before it. */
  isSound(link: Link): boolean {
    const { previous, hash, ids } = link;
    const isFollowing = this.follows(link);
    const isWhole = ids.byteLength > 0 && ids.byteLength % idBytes === 0;
    return isFollowing && isWhole && Buffer.compare(hash, hashOf(previous, ids)) === 0;
  }

  /** Links before may have gone with the retention; those that are there follow one from the other. */
  follows({ chain, place, previous, hash }: Omit<Link, "ids">): boolean {
    const before = this.#lastOf.get(chain);
    this.#lastOf.set(chain, { place, hash });
    return before?.place !== place - 1 || Buffer.compare(before.hash, previous) === 0;
  }
}
