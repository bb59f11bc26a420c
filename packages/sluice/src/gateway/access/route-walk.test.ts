// Goes through the API's description, so that no route is forgotten.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Description, type DescribedOperation, type OpenApiDocument } from "@sluice/testing";
import { GatewayUnderTest, type Answer } from "../../../test/gateway-under-test.ts";

/** Those that anybody may call, on purpose. */
const publicRoutes = ["GET /", "GET /livez", "GET /readyz"];
/** They need a key, of whatever scope. */
const unscopedRoutes = ["GET /openapi.json"];
/** They concern several queues: what each answers with is tested on its own. */
const overviews = [
  "GET /v1/requests",
  "GET /v1/queues",
  "GET /v1/schedules",
  "GET /v1/audit",
  "GET /v1/audit/order",
  "GET /v1/overview/events",
];
/** Whoever is let in gets a stream without an end: overview.test.ts reads it. */
const endless = ["GET /v1/overview/events"];

let sut: GatewayUnderTest;
let description: Description;
let operations: readonly DescribedOperation[];
const everything = 0;
const [sendOnly, readOnly, adminOnly] = [1, 2, 3];
const mailsOnly = 4;

before(async () => {
  sut = await GatewayUnderTest.open({
    keys: [{}, { scopes: ["send"] }, { scopes: ["read"] }, { scopes: ["admin"] }, { queues: ["mails"] }],
  });
  const { status, json } = await sut.fetch("/openapi.json", { headers: shown(everything) });
  assert.equal(status, 200);
  description = new Description(json as OpenApiDocument);
  operations = description.operations;
  assert.ok(operations.length >= 20, `the description has ${operations.length} operations`);
});
after(() => sut[Symbol.asyncDispose]());

function shown(key: number): Record<string, string> {
  return { authorization: `Bearer ${sut.secrets[key]}` };
}

function nameOf({ method, path }: DescribedOperation): string {
  return `${method} ${path}`;
}

async function call(operation: DescribedOperation, headers: Record<string, string>, id = "none"): Promise<Answer> {
  const url = operation.path.replace("{queue}", "orders").replace("{id}", id);
  const answer = await sut.fetch(url, { method: operation.method, headers });
  if (operation.method !== "HEAD") description.assertAnswer(operation, { ...answer, body: answer.text });
  return answer;
}

/** An id in `orders`. */
async function orderId(): Promise<string> {
  return await sut.accepted("{}", shown(everything));
}

test("the description names the scheme, and a scope for every route but the public ones", () => {
  const needNothing = operations.filter(({ isPublic }) => isPublic).map(nameOf);
  assert.deepEqual(needNothing.toSorted(), publicRoutes);
  const needAnyKey = operations.filter(({ isPublic, scope }) => !isPublic && scope === undefined).map(nameOf);
  assert.deepEqual(needAnyKey, unscopedRoutes);
});

test("without a key, or with one that is not known, every route is 401 and says how to do better", async () => {
  const id = await orderId();
  const foreign = `Bearer sluice_${"A".repeat(43)}`;
  const wrong = [foreign, `Bearer ${sut.secrets[0]}A`, `Basic ${sut.secrets[0]}`, `${sut.secrets[0]}`, "Bearer", ""];
  for (const each of operations) {
    for (const authorization of [undefined, ...wrong]) {
      const answer = await call(each, authorization === undefined ? {} : { authorization }, id);
      const isPublic = publicRoutes.includes(nameOf(each));
      assert.equal(answer.status, isPublic ? 200 : 401, `${nameOf(each)} with ${authorization}`);
      if (isPublic) continue;
      assert.equal(answer.json.code, "unauthorized");
      assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer realm="sluice"/);
    }
  }
});

test("with a key of each other scope every route is 403 and names the one it needs", async () => {
  const id = await orderId();
  await sut.post(`/v1/requests/${id}/cancel`, null, shown(everything)); // the stream of its events ends
  const keys = { send: sendOnly, read: readOnly, admin: adminOnly };
  for (const each of operations) {
    const needed = each.scope;
    if (needed === undefined) continue;
    for (const [scope, key] of Object.entries(keys)) {
      if (scope === needed && endless.includes(nameOf(each))) continue;
      const answer: Answer = await call(each, shown(key), id);
      const what: string = `${nameOf(each)} with ${scope}: ${answer.text}`;
      if (scope === needed) {
        assert.ok(answer.status !== 401 && answer.status !== 403, what);
        continue;
      }
      assert.equal(answer.status, 403, what);
      assert.equal(answer.json.code, "forbidden");
      assert.match(answer.headers.get("www-authenticate") ?? "", new RegExp(`scope="${needed}"`));
    }
  }
});

test("with a key of another queue every queue and request is 404, in the words for one that does not exist", async () => {
  const id = await orderId();
  for (const each of operations) {
    const isUnlimited = each.isPublic || unscopedRoutes.includes(nameOf(each));
    if (isUnlimited || overviews.includes(nameOf(each))) continue;
    const answer = await call(each, shown(mailsOnly), id);
    const concernsAll = !each.path.includes("{");
    assert.equal(answer.status, concernsAll ? 403 : 404, `${nameOf(each)}: ${answer.text}`);
    if (concernsAll) continue;
    const code = each.path.includes("{queue}") ? "unknown-queue" : "unknown-request";
    const name = code === "unknown-queue" ? "orders" : id;
    assert.equal(answer.json.code, code);
    assert.equal(answer.json.detail, `there is no ${code.slice("unknown-".length)} "${name}"`);
  }
  assert.equal((await sut.engine.read(id as never))?.state, "waiting", "nothing was cancelled");
});

test("HEAD is let in where GET is", async () => {
  const gets = operations.filter(({ method, path }) => method === "GET" && !path.endsWith("/events"));
  for (const each of gets) {
    const { status } = await call({ ...each, method: "HEAD" }, {});
    assert.equal(status, publicRoutes.includes(nameOf(each)) ? 200 : 401, nameOf(each));
  }
});

test("where no route is, it is 404 or 405 with a key and without", async () => {
  for (const headers of [{}, shown(everything)]) {
    assert.equal((await sut.fetch("/v1/nothing", { headers })).status, 404);
    assert.equal((await sut.fetch("/v1/audit", { method: "POST", headers })).status, 405);
  }
});
