// The chains of accepted ids, one for each queue and hour of this process: see core/chain.ts. A link is stored in the
// statement that stores its requests.
import { linksOf, type NewLink } from "../../core/chain.ts";
import { idBytes, type RequestId } from "../../core/request-id.ts";
import { int2Array, int4Array, uuidArray } from "./binary-array.ts";

interface Accepted {
  readonly id: RequestId;
  /** The number of its queue. */
  readonly queue: number;
}

/** Links for one statement, with the place of each request's link among them, from 1, in the order of the requests. */
export interface LinkedGroup {
  readonly links: readonly (NewLink & { readonly queue: number })[];
  readonly linkNos: readonly number[];
}

/** Links requests to what came before them in their queues. */
export function link(accepted: readonly Accepted[], lastOf: ReadonlyMap<number, NewLink> = new Map()): LinkedGroup {
  const links: (NewLink & { readonly queue: number })[] = [];
  const linkNos: number[] = [];
  for (const [queue, places] of placesByQueue(accepted)) {
    const ids = places.map((place) => (accepted[place] as Accepted).id);
    let linked = 0;
    for (const made of linksOf(ids, lastOf.get(queue))) {
      links.push({ ...made, queue });
      const end = linked + made.ids.byteLength / idBytes;
      for (; linked < end; linked += 1) linkNos[places[linked] as number] = links.length;
    }
  }
  return { links, linkNos };
}

function placesByQueue(accepted: readonly Accepted[]): ReadonlyMap<number, readonly number[]> {
  const places = new Map<number, number[]>();
  for (const [place, { queue }] of accepted.entries()) {
    const own = places.get(queue);
    if (own === undefined) places.set(queue, [place]);
    else own.push(place);
  }
  return places;
}

export class Chains {
  readonly #lastOf = new Map<number, NewLink>();

  next(accepted: readonly Accepted[]): LinkedGroup {
    return link(accepted, this.#lastOf);
  }

  /** The group is committed. */
  stored({ links }: LinkedGroup): void {
    for (const one of links) this.#lastOf.set(one.queue, one);
  }

  /** Whether it was is not known: the next link begins a chain. */
  reset(): void {
    this.#lastOf.clear();
  }
}

/**
 * Stores links whose requests are the rows (id, link) of `input`, as the values of `linkValues`, the first of which is
 * parameter `from`.
 */
export function storeLinks(input: string, from: number): string {
  const [first, last, queue, chain, place, hashes] = [0, 1, 2, 3, 4, 5].map((index) => `$${from + index}`);
  const hash = (at: number): string => `substring(${hashes}::bytea FROM (64 * (l.no - 1) + ${at})::int FOR 32)`;
  return `INSERT INTO sluice.links (id, last, queue, chain, place, previous, hash, ids)
      SELECT l.id, l.last, l.queue, l.chain, l.place, ${hash(1)}, ${hash(33)},
        ARRAY (SELECT i.id FROM ${input} i WHERE i.link = l.no ORDER BY i.id)
      FROM unnest(${first}::uuid[], ${last}::uuid[], ${queue}::smallint[], ${chain}::uuid[], ${place}::int[])
        WITH ORDINALITY AS l (id, last, queue, chain, place, no)`;
}

export function linkValues({ links }: LinkedGroup): readonly Buffer[] {
  return [
    uuidArray(links.map(({ first }) => first)),
    uuidArray(links.map(({ last }) => last)),
    int2Array(links.map(({ queue }) => queue)),
    uuidArray(links.map(({ chain }) => chain)),
    int4Array(links.map(({ place }) => place)),
    Buffer.concat(links.flatMap(({ previous, hash }) => [previous, hash])),
  ];
}
