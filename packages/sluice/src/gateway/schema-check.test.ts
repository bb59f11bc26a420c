// Bodies against the schema of their queue: over real HTTP, and what a check costs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SluiceError } from "../core/errors.ts";
import { assertProblem, GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { compileSchemaCheck, slowPlacesOf, type SchemaPath } from "./schema-check.ts";

const intake = "/v1/queues/orders/requests";
const batches = "/v1/queues/orders/batches";

function timed(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

describe("a queue with a JSON Schema", () => {
  const schema = {
    type: "object",
    required: ["sku"],
    properties: { sku: { type: "integer" }, at: { type: "string", format: "date-time" } },
  };
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open({ schema });
  });
  after(() => sut[Symbol.asyncDispose]());

  test("takes what fits", async () => {
    assert.equal((await sut.post(intake, '{"sku":1,"at":"2026-01-01T00:00:00Z"}')).status, 202);
  });

  test("refuses what does not with 422 and the path of the first place that does not fit", async () => {
    const answer = await sut.post(intake, '{"sku":"1","at":"noon"}');
    assertProblem(answer, 422, "schema-mismatch");
    assert.deepEqual(answer.json.paths, [{ path: "/sku", message: "must be integer" }]);
  });

  const member = { type: "object", required: ["a", "b", "c"], properties: { a: { $ref: "#" } } };
  const manyFaults = [
    ["objects that lack members", { type: "array", items: member }, "{}", "/0"],
    ["members that are not allowed", { items: { additionalProperties: false } }, '{"a":1}', "/0"],
    ["branches of which none fits", { items: { anyOf: [member, { type: "string" }] } }, "{}", "/0"],
    ["values of a wrong type", { items: { type: "string" } }, "0", "/0"],
  ] as const;
  for (const [what, schema, item, path] of manyFaults) {
    test(`refuses a body of 1 MiB with a fault in each place about as fast as it takes any: ${what}`, () => {
      const body = Buffer.from(`[${`${item},`.repeat(2 ** 20 / (item.length + 1) - 1)}${item}]`);
      assert.ok(body.length > 0.9 * 2 ** 20);
      const check = compileSchemaCheck("orders", schema);
      const takeAny = compileSchemaCheck("orders", {});
      const anyMs = timed(() => takeAny(body));
      const refusedMs = timed(() =>
        assert.throws(
          () => check(body),
          (error) =>
            error instanceof SluiceError && (error.fields?.["paths"] as SchemaPath[] | undefined)?.[0]?.path === path,
        ),
      );
      assert.ok(refusedMs < 2 * anyMs + 500, `${Math.round(refusedMs)} ms, and ${Math.round(anyMs)} ms for any`);
    });
  }

  test("refuses what is no JSON with 422", async () => {
    for (const body of ["{", "", new Uint8Array([0x22, 0xff, 0x22])]) {
      assertProblem(await sut.post(intake, body), 422, "schema-mismatch");
    }
  });

  test("refuses with 422 what is nested deeper than a schema that refers to itself can follow", async () => {
    await using nested = await GatewayUnderTest.open({ schema: { type: "array", items: { $ref: "#" } } });
    assert.equal((await nested.post(intake, "[[[]]]")).status, 202);
    const answer = await nested.post(intake, `${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    assertProblem(answer, 422, "schema-mismatch");
    assert.match(answer.json.paths[0].message, /nested/);
  });

  test("refuses a small body that a schema that refers to itself can follow in too many ways, at once", () => {
    const operation = (op: string) => ({
      type: "object",
      required: ["left", "op", "right"],
      properties: { left: { $ref: "#" }, op: { const: op }, right: { $ref: "#" } },
    });
    const check = compileSchemaCheck("orders", { anyOf: [{ type: "number" }, ...["+", "-", "*", "/"].map(operation)] });
    const nested = (levels: number): string =>
      levels === 0 ? '"z"' : `{"left":${nested(levels - 1)},"op":"?","right":1}`;
    check(Buffer.from('{"left":{"left":1,"op":"/","right":2},"op":"*","right":3}'));
    const ms = timed(() => assert.throws(() => check(Buffer.from(nested(11))), { code: "schema-mismatch" }));
    assert.ok(ms < 1_000, `${Math.round(ms)} ms`);
    const lists = compileSchemaCheck("orders", { type: "array", items: { $ref: "#" } });
    lists(Buffer.from(`[${"[],".repeat(300_000)}[]]`));
  });

  test("names the line of a batch that does not fit", async () => {
    const answer = await sut.post(batches, '{"body":{"sku":1}}\n{"body":{}}');
    assertProblem(answer, 422, "schema-mismatch");
    assert.equal(answer.json.line, 2);
    assert.equal(answer.json.paths[0].path, "");
  });

  test("a schema that is none is an error of the configuration that names the queue", () => {
    assert.throws(
      () => compileSchemaCheck("orders", { type: "objekt" }),
      (error) => error instanceof SluiceError && error.code === "bad-config" && error.message.includes('"orders"'),
    );
  });

  test("a schema that lets a large body take long to check is told of, with the places", () => {
    const tags = { type: "array", uniqueItems: true, items: { type: "object" } };
    assert.deepEqual(slowPlacesOf({ type: "object", properties: { tags } }), ["/properties/tags has no maxItems"]);
    assert.deepEqual(slowPlacesOf({ $ref: "#/$defs/tags", $defs: { tags } }), ["/$defs/tags has no maxItems"]);
    assert.deepEqual(slowPlacesOf({ contains: { type: "string" } }), ["/ has no maxItems"]);
    assert.deepEqual(slowPlacesOf({ type: "string", pattern: "^(a+)+$" }), ["/ has no maxLength"]);
    const bounded = { ...tags, maxItems: 100 };
    const unharmed = [
      bounded,
      { contains: { type: "string" }, maxItems: 100 },
      { ...tags, items: { type: "string" } },
      { type: "string", format: "email" },
    ];
    for (const schema of unharmed) assert.deepEqual(slowPlacesOf(schema), []);
  });

  test("a schema of 2020-12 is read as one", () => {
    const $schema = "https://json-schema.org/draft/2020-12/schema";
    const check = compileSchemaCheck("orders", { $schema, prefixItems: [{ type: "string" }] });
    check(Buffer.from('["a"]'));
    assert.throws(() => check(Buffer.from("[1]")), SluiceError);
  });
});
