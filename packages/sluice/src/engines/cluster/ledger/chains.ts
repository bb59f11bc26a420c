// The chains of what was accepted, one for each queue and day of this process: see core/chain.ts. A link is stored in the
// statement that stores its requests.
import { linksOf, type Linked, type NewLink } from "../../../core/chain.ts";
import { idBytes } from "../../../core/request-id.ts";
import { byteaArray, int2Array, int4Array, uuidArray } from "./connection/binary-array.ts";

interface Accepted extends Linked {
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
    const own = places.map((place) => accepted[place] as Accepted);
    let linked = 0;
    for (const made of linksOf(own, lastOf.get(queue))) {
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
  #doubted: LinkedGroup | undefined;

  /** A group of which it is not known whether it was committed: to be found out before the next one. */
  get doubted(): LinkedGroup | undefined {
    return this.#doubted;
  }

  next(accepted: readonly Accepted[]): LinkedGroup {
    return link(accepted, this.#lastOf);
  }

  /** The group is committed. */
  stored({ links }: LinkedGroup): void {
    for (const one of links) this.#lastOf.set(one.queue, one);
  }

  doubt(group: LinkedGroup): void {
    this.#doubted = group;
  }

  /**
   * The chain goes on after the last link that was committed. A server that took over without it has a gap there, which it
   * could not know of if a chain began instead.
   */
  resolve(isStored: boolean): void {
    if (isStored && this.#doubted !== undefined) this.stored(this.#doubted);
    this.#doubted = undefined;
  }

  /** It may be committed yet: the next ones begin chains of their own, which cannot take its places. */
  abandon(): void {
    for (const { queue } of this.#doubted?.links ?? []) this.#lastOf.delete(queue);
    this.#doubted = undefined;
  }
}

/**
 * Stores links whose requests are the rows (id, link) of `input`, as the values of `linkValues`, the first of which is
 * parameter `from`.
 */
export function storeLinks(input: string, from: number): string {
  const types = ["uuid", "uuid", "smallint", "uuid", "int", "bytea", "bytea", "bytea"];
  const columns = types.map((type, index) => `$${from + index}::${type}[]`);
  return `INSERT INTO sluice.links (id, last, queue, chain, place, previous, hash, digests, ids)
      SELECT l.id, l.last, l.queue, l.chain, l.place, l.previous, l.hash, l.digests,
        ARRAY (SELECT i.id FROM ${input} i WHERE i.link = l.no ORDER BY i.id)
      FROM unnest(${columns.join(", ")})
        WITH ORDINALITY AS l (id, last, queue, chain, place, previous, hash, digests, no)`;
}

export function linkValues({ links }: LinkedGroup): readonly Buffer[] {
  return [
    uuidArray(links.map(({ first }) => first)),
    uuidArray(links.map(({ last }) => last)),
    int2Array(links.map(({ queue }) => queue)),
    uuidArray(links.map(({ chain }) => chain)),
    int4Array(links.map(({ place }) => place)),
    byteaArray(links.map(({ previous }) => previous)),
    byteaArray(links.map(({ hash }) => hash)),
    byteaArray(links.map(({ digests }) => digests)),
  ];
}
