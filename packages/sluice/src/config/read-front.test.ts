import assert from "node:assert/strict";
import { test } from "node:test";
import { SluiceError } from "../core/errors.ts";
import { readUp } from "./read-settings.ts";

const planted = "pl4nted-s3cret";

function throwing(fields: object, name: string): object {
  const get = (): never => {
    throw new Error(planted);
  };
  return Object.defineProperty({ ...fields }, name, { enumerable: true, get });
}

test("a property that throws is refused with its place, and without what it throws", () => {
  const route = { queue: "orders" };
  for (const [front, place] of [
    [throwing({}, "port"), "front"],
    [{ port: 1, routes: throwing({}, "/a") }, "front"],
    [{ port: 1, routes: { "/a": throwing(route, "wait") } }, 'front.routes["/a"]'],
    [{ port: 1, routes: { "/a": { ...route, answer: throwing({}, "body") } } }, 'front.routes["/a"]'],
    [{ port: 1, routes: { "/a": { ...route, verify: throwing({}, "kind") } } }, 'front.routes["/a"].verify'],
  ] as const) {
    const file = { queues: { orders: { handle: () => 0 } }, front };
    assert.throws(
      () => readUp({ file, overrides: {}, env: {} }),
      (error) => {
        assert.ok(error instanceof SluiceError, String(error));
        const { code, message } = error;
        assert.deepEqual([code, message], ["bad-config", `${place} cannot be read: one of its properties throws`]);
        return true;
      },
    );
  }
});

test("a flag of the target is refused where the queue has none, without its value", () => {
  const file = { queues: { orders: { handle: () => 0 } } };
  for (const [flag, overrides] of [
    ["--target-header", { targetHeader: [`Authorization: ${planted}`] }],
    ["--target-path", { targetPath: "append" }],
  ] as const)
    assert.throws(
      () => readUp({ file, overrides: { queue: "orders", ...overrides }, env: {} }),
      new SluiceError("bad-config", `${flag} goes with a target, and queue orders has none`),
    );
});

test("--no-pass-through is refused where there is no front", () => {
  const overrides = { queue: "orders", target: "http://127.0.0.1:9", passThrough: false };
  assert.throws(() => readUp({ file: undefined, overrides, env: {} }), /--no-pass-through goes with --front/);
  const front = readUp({ file: undefined, overrides: { ...overrides, front: "8081" }, env: {} }).front;
  assert.equal(front?.passesThrough, false);
});

test("a target that flags are added to is refused as it is without them, whatever it is", () => {
  for (const target of [
    { url: "http://b.example", headers: planted },
    { url: "http://b.example", headers: [planted] },
    { url: 9_000 },
    { url: "http://b.example", headers: throwing({}, "x") },
  ]) {
    const file = { queues: { orders: { target } } } as never;
    for (const overrides of [
      { queue: "orders", targetHeader: ["x-a: b"] },
      { queue: "orders", targetPath: "append" },
    ])
      assert.throws(
        () => readUp({ file, overrides, env: {} }),
        (error) => {
          assert.ok(error instanceof SluiceError && error.code === "bad-config", String(error));
          assert.ok(
            error.message.startsWith("queues.orders.target") && !error.message.includes(planted),
            error.message,
          );
          return true;
        },
      );
  }
});

test("a route whose requests would all expire before they may begin is refused", () => {
  const read = (route: object): unknown => {
    const file = { queues: { orders: { target: "http://b.example" } }, front: { port: 0, routes: { "/*": route } } };
    return readUp({ file: file as never, overrides: {}, env: {} }).front?.routes[0];
  };
  assert.ok(read({ queue: "orders", notBefore: "1h", expires: "2h" }));
  for (const expires of ["1h", "60m", "1s"])
    assert.throws(
      () => read({ queue: "orders", notBefore: "1h", expires }),
      /^SluiceError: front\.routes\["\/\*"\]\.expires must be longer than notBefore: .*got/,
    );
});

test("a front does not stand before itself, on the port of the scheme either", () => {
  const read = (target: string, port: number): unknown =>
    readUp({ file: { queues: { orders: { target } }, front: { port } }, overrides: {}, env: {} });
  for (const [target, port] of [
    ["http://localhost", 80],
    ["https://127.0.0.1/x", 443],
    ["http://[::1]:8081", 8081],
  ] as const)
    assert.throws(() => read(target, port), /is the front itself/);
  assert.ok(read("https://localhost", 80));
});
