import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { storeProblemOf } from "./database.ts";

const failed = (fields: object): Error => Object.assign(new Error("it failed"), fields);

test("a disk without room is one problem, whoever found it", () => {
  for (const fields of [{ errcode: 13 }, { errcode: 10 | (19 << 8) }, { code: "ENOSPC" }, { code: "EDQUOT" }])
    deepEqual(
      storeProblemOf(failed(fields), "sluice.db"),
      { code: "disk-full", message: "sluice.db: it failed", isLasting: false },
      JSON.stringify(fields),
    );
});

test("a damaged file is lasting, another trouble is not, and a defect is no problem of the store", () => {
  equal(storeProblemOf(failed({ errcode: 11 }), "sluice.db")?.isLasting, true);
  const trouble = storeProblemOf(failed({ errcode: 10 | (3 << 8) }), "sluice.db");
  deepEqual([trouble?.code, trouble?.isLasting], ["store-unavailable", false]);
  for (const fields of [{}, { code: "EACCES" }, { errcode: 1 }])
    equal(storeProblemOf(failed(fields), "sluice.db"), undefined);
});
