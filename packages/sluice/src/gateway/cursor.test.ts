import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestId } from "../core/request-id.ts";
import { formatCursor, parseCursor } from "./cursor.ts";

const id = "01a204f9-70ec-7000-8293-91d0cee829c3" as RequestId;

test("a cursor leads back to its request", () => {
  const cursor = formatCursor(id);
  assert.match(cursor, /^[\w-]{22}$/);
  assert.equal(parseCursor(cursor), id);
});

test("what is no cursor is none", () => {
  for (const text of ["", "abc", id, `${formatCursor(id)}A`, `${formatCursor(id)}=`, "A".repeat(22), "ä".repeat(22)]) {
    assert.equal(parseCursor(text), undefined, text);
  }
});
