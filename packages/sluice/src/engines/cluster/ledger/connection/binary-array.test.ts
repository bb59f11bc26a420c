import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "@sluice/testing";
import fc from "fast-check";
import { Client } from "pg";
import { requestIdOf, type RequestId } from "../../../../core/request-id.ts";
import { int2Array, int4Array, int8Array, textArray, uuidArray } from "./binary-array.ts";

const int = (bits: number): fc.Arbitrary<number> => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const id = fc
  .tuple(fc.maxSafeNat(), fc.uint8Array({ minLength: 8, maxLength: 8 }))
  .map(([seq, random]) => requestIdOf(seq, random));
const text = fc.option(
  fc.string({ unit: "binary" }).map((value) => value.replaceAll("\0", "")),
  { nil: undefined },
);

const inputs = fc.record({
  uuids: fc.array(id),
  int2s: fc.array(int(16)),
  int4s: fc.array(fc.option(int(32), { nil: undefined })),
  int8s: fc.array(fc.maxSafeInteger()),
  texts: fc.array(text),
});

interface Echoed {
  readonly uuids: RequestId[];
  readonly int2s: number[];
  readonly int4s: (number | null)[];
  readonly int8s: string[];
  readonly texts: (string | null)[];
}

test("PostgreSQL reads each kind of array as it was meant", async () => {
  await using postgres = await startPostgres();
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  try {
    await fc.assert(
      fc.asyncProperty(inputs, async ({ uuids, int2s, int4s, int8s, texts }) => {
        const { rows } = await client.query<Echoed>({
          name: "echo",
          text: `SELECT $1::uuid[]::text[] AS uuids, $2::smallint[] AS int2s, $3::int[] AS int4s,
            $4::bigint[]::text[] AS int8s, $5::text[] AS texts`,
          values: [uuidArray(uuids), int2Array(int2s), int4Array(int4s), int8Array(int8s), textArray(texts)],
        });
        const orNull = <Value>(values: readonly (Value | undefined)[]): (Value | null)[] =>
          values.map((value) => value ?? null);
        assert.deepEqual(rows[0], {
          uuids,
          int2s,
          int4s: orNull(int4s),
          int8s: int8s.map(String),
          texts: orNull(texts),
        });
      }),
    );
  } finally {
    await client.end();
  }
});
