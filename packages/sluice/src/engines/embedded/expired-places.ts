// Which places of a chain retention has removed: what else a chain lacks is lost.
import type { DatabaseSync } from "node:sqlite";
import type { ChainGap } from "../../core/chain.ts";
import { bytesOfIds } from "../../core/request-id.ts";

const TAKE_BEFORE = "DELETE FROM expired_places WHERE chain = ? AND to_place = ? RETURNING from_place AS place";
const TAKE_AFTER = "DELETE FROM expired_places WHERE chain = ? AND from_place = ? RETURNING to_place AS place";
const INSERT = "INSERT INTO expired_places (chain, from_place, to_place) VALUES (?, ?, ?)";
const COUNT = `
  SELECT coalesce(sum(min(to_place, :to) - max(from_place, :from)), 0) AS count FROM expired_places
  WHERE chain = :chain AND from_place < :to AND to_place > :from`;
/** A chain lies within a day: one from a day before that of the lowest link has no link any more. */
const FORGET = "DELETE FROM expired_places WHERE chain < ?";

export interface ExpiredPlaces {
  note(chain: Uint8Array, fromPlace: number, toPlace: number): void;
  /** Those of chains that began before this one. */
  forget(before: Uint8Array): void;
}

export function prepareExpiredPlaces(db: DatabaseSync): ExpiredPlaces {
  const takeBefore = db.prepare(TAKE_BEFORE);
  const takeAfter = db.prepare(TAKE_AFTER);
  const insert = db.prepare(INSERT);
  const forget = db.prepare(FORGET);
  return {
    note(chain, fromPlace, toPlace) {
      const before = takeBefore.get(chain, fromPlace)?.["place"] as number | undefined;
      const after = takeAfter.get(chain, toPlace)?.["place"] as number | undefined;
      insert.run(chain, before ?? fromPlace, after ?? toPlace);
    },
    forget: (before) => void forget.run(before),
  };
}

/** How many places of a gap retention has not removed. */
export function prepareLostPlaces(db: DatabaseSync): (gap: ChainGap) => number {
  const count = db.prepare(COUNT);
  return ({ chain, fromPlace, toPlace }) => {
    const expired = count.get({ chain: bytesOfIds([chain]), from: fromPlace, to: toPlace })?.["count"] as number;
    return toPlace - fromPlace - expired;
  };
}
