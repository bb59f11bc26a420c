import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BodyRoom } from "./body-room.ts";
import type { BodyPlace } from "./body-room.ts";

interface Guest {
  readonly place: BodyPlace;
  readonly isSentAway: () => boolean;
}

function enter(room: BodyRoom): Guest {
  const place = room.enter();
  let isSentAway = false;
  place.onGiveWay = () => (isSentAway = true);
  return { place, isSentAway: () => isSentAway };
}

describe("at the room's bound", () => {
  test("the one that holds most gives way, not the one that came last", () => {
    const room = new BodyRoom(100);
    const [large, small, last] = [enter(room), enter(room), enter(room)];
    large.place.take(60);
    small.place.take(30);
    last.place.take(11);
    assert.deepEqual(
      [large, small, last].map(({ isSentAway }) => isSentAway()),
      [true, false, false],
    );
  });

  test("one whose turn has come stays, and who arrives gives way", () => {
    const room = new BodyRoom(100);
    const [begun, arriving] = [enter(room), enter(room)];
    begun.place.take(90);
    assert.equal(begun.place.begin(), true);
    arriving.place.take(11);
    assert.deepEqual([begun.isSentAway(), arriving.isSentAway()], [false, true]);
    assert.equal(arriving.place.begin(), false);
  });

  test("whoever leaves makes room, once", () => {
    const room = new BodyRoom(100);
    const [first, second, third] = [enter(room), enter(room), enter(room)];
    first.place.take(90);
    first.place[Symbol.dispose]();
    first.place[Symbol.dispose]();
    second.place.take(60);
    third.place.take(40);
    assert.deepEqual([second.isSentAway(), third.isSentAway()], [false, false]);
    third.place.take(1);
    assert.equal(second.isSentAway(), true);
  });
});
