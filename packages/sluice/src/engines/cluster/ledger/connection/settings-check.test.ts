import assert from "node:assert/strict";
import { test } from "node:test";
import { durabilityOf } from "./settings-check.ts";

/** fsync, full_page_writes, synchronous_commit, client_min_messages, synchronous_standby_names */
const of = (rests_on: string): string => durabilityOf({ rests_on });

test("a commit is worth a standby only where it waits for one", () => {
  assert.equal(of("on,on,on,notice,"), "postgres");
  assert.equal(of("on,on,on,notice,ANY 1 (a, b)"), "postgres+standby");
  assert.equal(of("on,on,remote_apply,warning,*"), "postgres+standby");
  assert.equal(of("on,on,local,notice,*"), "postgres");
  assert.equal(of("on,on,remote_write,notice,*"), "postgres", "it may be in the standby's memory alone");
});

test("a commit is worth nothing where the server forgets it, or would not tell that it did not wait", () => {
  for (const [restsOn, why] of [
    ["off,on,on,notice,", /fsync is off/],
    ["on,off,on,notice,*", /full_page_writes is off/],
    ["on,on,off,notice,*", /synchronous_commit is off/],
    ["on,on,on,error,*", /client_min_messages is error/],
  ] as const)
    assert.throws(() => of(restsOn), { code: "store-unavailable", message: why });
});
