import { deepEqual, equal, notEqual } from "node:assert/strict";
import type { RequestHead } from "../../core/stored-head.ts";
import { orders, request, textOf, unknownId } from "./rig.ts";
import type { Check } from "./suite.ts";

/** The store's clock decides, and it may be another one than the case's. */
const clocksApartMs = 20;

function kept({ method, path, headers }: Partial<RequestHead> = {}): RequestHead {
  return { method, path, headers: headers && { ...headers } };
}

export function acceptingCases(check: Check): void {
  check("a receipt tells the id, queue, state and time of what was stored", async (rig) => {
    const before = rig.now();
    const [receipt] = await rig.accept(request());
    equal(receipt?.queue, orders);
    equal(receipt.state, "waiting");
    equal(receipt.isReplayed, false);
    equal(receipt.acceptedAt >= before - clocksApartMs && receipt.acceptedAt <= rig.now() + clocksApartMs, true);
    equal((await rig.engine.read(receipt.id))?.acceptedAt, receipt.acceptedAt);
  });

  check("what has a receipt is there after a crash, byte for byte", async (rig) => {
    const body = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const headers = { "ce-source": "/shop", traceparent: "00-1-2-01" };
    const [receipt] = await rig.accept({ queue: orders, key: "k", contentType: "image/x", headers, body });
    await rig.crash();
    const stored = await rig.engine.readBody(receipt?.id ?? unknownId);
    equal(stored?.contentType, "image/x");
    deepEqual(new Uint8Array(stored.bytes), body);
    const { request: delivered } = await rig.takeOne();
    deepEqual(new Uint8Array(delivered.body), body);
    deepEqual({ ...delivered.headers }, headers);
    equal(delivered.key, "k");
    equal(delivered.contentType, "image/x");
    equal(delivered.acceptedAt, receipt?.acceptedAt);
  });

  check("what is kept of a request beside its body is there after a crash", async (rig) => {
    const headers = { "x-github-event": "push", "x-latin": "caf\u00e9", "x-quoted": '"a", b' };
    const head = { method: "PUT", path: "/a/b?c=%20d&e", headers };
    const [receipt] = await rig.accept({ ...request(), ...head });
    const [plain] = await rig.accept(request());
    await rig.crash();
    deepEqual(kept((await rig.engine.read(receipt?.id ?? unknownId))?.head), head);
    deepEqual(kept((await rig.engine.read(plain?.id ?? unknownId))?.head), kept({ headers: undefined }));
    deepEqual(kept((await rig.takeOne()).request), head);
    deepEqual(kept((await rig.takeOne()).request), kept({ headers: undefined }));
    equal((await rig.engine.list({ limit: 1 }))[0]?.head, undefined);
  });

  check("a key that comes back to another place is another request's", async (rig) => {
    const sent = { ...request({ key: "k" }), method: "PUT", path: "/a" };
    const [first] = await rig.accept(sent);
    const [again] = await rig.accept(sent);
    deepEqual(again, { ...first, isReplayed: true });
    for (const other of [{ path: "/b" }, { method: "POST" }, { method: undefined, path: undefined }])
      equal((await rig.engine.accept([{ ...sent, ...other }])).kind, "key-reused");
  });

  check("an empty body is a body", async (rig) => {
    const id = await rig.acceptOne({ body: "" });
    equal((await rig.engine.readBody(id))?.bytes.byteLength, 0);
    equal((await rig.takeOne()).request.body.byteLength, 0);
  });

  check("the receipts of a batch stand in its order, and their ids grow", async (rig) => {
    const receipts = await rig.accept(...["a", "b", "c", "d"].map((body) => request({ body })));
    const ids = receipts.map(({ id }) => id);
    deepEqual(ids, ids.toSorted());
    equal(new Set(ids).size, 4);
    const bodies = await Promise.all(ids.map(async (id) => textOf(await rig.engine.readBody(id))));
    deepEqual(bodies, ["a", "b", "c", "d"]);
  });

  check("same key and same body: the same receipt again, also after a crash (I5)", async (rig) => {
    const [first] = await rig.accept(request({ key: "k", body: "1" }));
    const [again] = await rig.accept(request({ key: "k", body: "1" }));
    await rig.crash();
    const [afterCrash] = await rig.accept(request({ key: "k", body: "1" }));
    deepEqual(again, { ...first, isReplayed: true });
    deepEqual(afterCrash, again);
    equal((await rig.engine.list({ limit: 10 })).length, 1);
  });

  check("a repeat tells the state that the request has by then", async (rig) => {
    await rig.accept(request({ key: "k" }));
    const { claim } = await rig.takeOne();
    const [whileRunning] = await rig.accept(request({ key: "k" }));
    await rig.engine.settle(claim, { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("x") } });
    const [whenDone] = await rig.accept(request({ key: "k" }));
    deepEqual([whileRunning?.state, whenDone?.state], ["running", "done"]);
  });

  check("same key and other body: refused, and nothing of the batch is stored (I5)", async (rig) => {
    await rig.accept(request({ key: "k", body: "1" }));
    const result = await rig.engine.accept([request({ body: "new" }), request({ key: "k", body: "2" }), request()]);
    deepEqual(result, { kind: "key-reused", index: 1 });
    equal((await rig.engine.list({ limit: 10 })).length, 1);
  });

  check(
    "the same key in another queue is another key",
    async (rig) => {
      const [here] = await rig.accept(request({ key: "k", body: "1" }));
      const [there] = await rig.accept(request({ queue: "mails", key: "k", body: "2" }));
      notEqual(here?.id, there?.id);
      equal(there?.isReplayed, false);
    },
    { queues: twoQueues },
  );

  check("the same key of another sender is another key, also after a crash and within one commit (I5)", async (rig) => {
    const of = (sender: string, body: string) => request({ key: "k", sender, body });
    const [[shop], [bank]] = await Promise.all([rig.accept(of("shop", "1")), rig.accept(of("bank", "2"))]);
    notEqual(shop?.id, bank?.id);
    await rig.crash();
    deepEqual(await rig.accept(of("shop", "1")), [{ ...shop, isReplayed: true }]);
    deepEqual(await rig.accept(of("bank", "2")), [{ ...bank, isReplayed: true }]);
    deepEqual(await rig.engine.accept([of("bank", "1")]), { kind: "key-reused", index: 0 });
    const delivered = await rig.take(2);
    deepEqual(
      delivered.map(({ request: { key } }) => key),
      ["k", "k"],
    );
  });

  check("a key that was stored without a sender is every sender's, and nobody's own", async (rig) => {
    const [first] = await rig.accept(request({ key: "k", body: "1" }));
    for (const sender of ["shop", "bank"]) {
      deepEqual(await rig.accept(request({ key: "k", sender, body: "1" })), [{ ...first, isReplayed: true }]);
      deepEqual(await rig.engine.accept([request({ key: "k", sender, body: "2" })]), { kind: "key-reused", index: 0 });
    }
    const [own] = await rig.accept(request({ key: "own", sender: "shop", body: "1" }));
    const [other] = await rig.accept(request({ key: "own", body: "2" }));
    notEqual(own?.id, other?.id);
  });

  check("a sender is known of requests without a key, which repeat nothing", async (rig) => {
    const receipts = await rig.accept(request({ sender: "shop" }), request({ sender: "shop" }));
    equal(new Set(receipts.map(({ id }) => id)).size, 2);
    const listed = await rig.engine.list({ limit: 10 });
    deepEqual(
      listed.map(({ key, sender }) => ({ key, sender })),
      [
        { key: undefined, sender: "shop" },
        { key: undefined, sender: "shop" },
      ],
    );
    equal((await rig.takeOne()).request.key, undefined);
  });

  check(
    "one batch may span queues",
    async (rig) => {
      const receipts = await rig.accept(request(), request({ queue: "mails" }));
      deepEqual(
        receipts.map((receipt) => receipt.queue),
        [orders, "mails"],
      );
    },
    { queues: twoQueues },
  );

  check("a duplicate inside one batch is stored once and gets the first one's receipt", async (rig) => {
    const twin = request({ key: "k", body: "1" });
    const [first, other, second] = await rig.accept(twin, request(), twin);
    deepEqual(second, { ...first, isReplayed: true });
    notEqual(other?.id, first?.id);
    equal((await rig.engine.list({ limit: 10 })).length, 2);
  });

  check("a key twice in one batch with two bodies: refused at the second, nothing stored", async (rig) => {
    const result = await rig.engine.accept([request({ key: "k", body: "1" }), request({ key: "k", body: "2" })]);
    deepEqual(result, { kind: "key-reused", index: 1 });
    equal((await rig.engine.list({ limit: 10 })).length, 0);
  });

  check("of concurrent accepts with one key, one is stored and all get its id", async (rig) => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.accept(request({ key: "k", body: "1" }))));
    const receipts = answers.flat();
    equal(new Set(receipts.map(({ id }) => id)).size, 1);
    equal(receipts.filter(({ isReplayed }) => !isReplayed).length, 1);
    equal((await rig.engine.list({ limit: 10 })).length, 1);
  });

  check("of concurrent accepts with one key and two bodies, one body wins", async (rig) => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => rig.engine.accept([request({ key: "k", body: String(n % 2) })])),
    );
    equal(answers.filter(({ kind }) => kind === "accepted").length, 10);
    equal(answers.filter(({ kind }) => kind === "key-reused").length, 10);
    equal((await rig.engine.list({ limit: 10 })).length, 1);
  });
}

const twoQueues = [orders, "mails"].map((name) => ({ name, backlogMax: 100, backlogBytesMax: 10_000 }));
