// The bugs of an engine on three servers. The ledger heals much of what goes wrong between it and the broker: a hint that
// is lost costs time and no request. Where a bug of the list loses nothing for that reason, it says so, and what must go
// red is the promise that it breaks.
import { doneBeforeEffect } from "./done-before-effect.ts";
import type { Catcher, Mutant } from "./mutant.ts";

const cluster = "packages/sluice/src/engines/cluster";
const simulation = "faults/simulation/simulation.test.ts";

function test(file: string, cases: string): Catcher {
  return { kind: "test", file: `${cluster}/${file}.test.ts`, cases };
}

/** An answer is kept until its lane releases it, after the commit: here it leaves at once. */
const leaves = "(entry as unknown as { release(): void }).release();";

export const clusterMutants: readonly Mutant[] = [
  {
    name: "answer-before-commit",
    engine: "cluster",
    bug: "receipts are given before their requests are committed (against I1)",
    patches: [
      {
        file: `${cluster}/ledger/accept.ts`,
        from: "const stored = fresh.length > 0",
        to: `for (const { entry, result } of answered) {
          entry.answer(result);
          ${leaves}
        }
        const stored = fresh.length > 0`,
      },
    ],
    catcher: test("durability", "no receipt while PostgreSQL cannot be reached"),
    sign: /✖ no receipt while/,
  },
  {
    name: "lost-commit-answered",
    engine: "cluster",
    bug: "a commit whose answer was lost counts as made, and its receipts are given (against I1)",
    patches: [{ file: `${cluster}/ledger/accept.ts`, from: "stored.length === ids.length", to: "stored.length >= 0" }],
    catcher: test("durability", "no receipt for a commit that was lost on its way"),
    sign: /✖ no receipt for a commit/,
  },
  {
    name: "receipt-from-a-read",
    engine: "cluster",
    bug: "a key that is known is answered with what a read has shown, which no standby may have (against I1)",
    patches: [
      {
        file: `${cluster}/ledger/accept.ts`,
        from: "const known = repeated.length > 0",
        to: "const known = repeated.length < 0",
      },
    ],
    catcher: test("standby.long", "gives no receipt, nor does the same key again"),
    sign: /✖ a wait for the standby that ends by/,
  },
  {
    name: "warning-ignored",
    engine: "cluster",
    bug: "a commit of which PostgreSQL warns that it did not wait for the standby counts as made (against I1)",
    patches: [
      {
        file: `${cluster}/ledger/connection/database.ts`,
        from: "throw new LostError(new Error(warning));",
        to: "return value;",
      },
    ],
    catcher: { kind: "test", file: simulation, cases: "a hundred histories break no law" },
    sign: /was told as settled by \d+, and a failover has lost it/,
  },
  {
    name: "term-unchecked",
    engine: "cluster",
    bug: "a process that was the leader acts, though another one leads by now",
    patches: [{ file: `${cluster}/leader/terms.ts`, from: "if (held?.length !== 1)", to: "if (held === undefined)" }],
    catcher: test("contract", "a newer term wins"),
    sign: /✖ a newer term wins/,
  },
  {
    name: "stale-server-kept",
    engine: "cluster",
    bug: "a server that takes no writes any more is kept, as its connections are good",
    patches: [
      {
        file: `${cluster}/ledger/connection/database.ts`,
        from: "if (isReadOnly(failure)) this.#primary.leave();",
        to: "if (isReadOnly(failure)) this.#primary.doubt();",
      },
    ],
    catcher: test("standby.long", "a primary that became read-only"),
    sign: /✖ a primary that became read-only/,
  },
  {
    name: "synchronous-commit-off",
    engine: "cluster",
    bug: "the sessions that write the ledger do not wait for the disk, though the server's own setting is safe (against I1)",
    patches: [
      {
        file: `${cluster}/ledger/connection/database.ts`,
        from: "const steady = {",
        to: 'const steady = { synchronous_commit: "off",',
      },
    ],
    catcher: test("durability", "what was answered is there after PostgreSQL crashed"),
    sign: /✖ what was answered is there/,
  },
  {
    name: "unsafe-store-taken",
    engine: "cluster",
    bug: "a server with synchronous_commit=off is taken at the start (against I9)",
    patches: [
      {
        file: `${cluster}/ledger/connection/settings-check.ts`,
        from: 'isSafe: row.synchronous_commit !== "off"',
        to: "isSafe: true",
      },
    ],
    catcher: test("ledger.long", "synchronous_commit must not be off"),
    sign: /✖ synchronous_commit must not be off/,
  },
  {
    ...doneBeforeEffect,
    engine: "cluster",
    catcher: { kind: "scenario", name: "kill-effect-pending", rounds: 2 },
    sign: /lost is [1-9]/,
  },
  {
    name: "acknowledge-when-claimed",
    engine: "cluster",
    // A worker that dies leaves its claim in the ledger, and the reaper hints it again. PostgreSQL's crash takes the claim.
    bug: "hints are acknowledged when they are claimed (against I2): a claim that PostgreSQL forgets waits for the look for lost hints",
    patches: [
      {
        file: `${cluster}/ledger/deliver.ts`,
        from: "this.#held.set(row.token,",
        to: "hint.done();\n        this.#held.set(row.token,",
      },
    ],
    catcher: test("durability", "what was claimed is delivered again at once"),
    sign: /✖ what was claimed is delivered again/,
    healed: test("contract", "after a crash whatever ran waits again, and nothing accepted is lost"),
  },
  {
    name: "outcome-before-commit",
    engine: "cluster",
    bug: "an outcome counts as settled before its commit, which fails: it runs for ever, as its worker lives (against I2)",
    patches: [
      {
        file: `${cluster}/ledger/settle.ts`,
        from: "const settled = new Set<string>();",
        to: `const settled = new Set<string>();
  for (const entry of entries) {
    entry.answer("settled");
    ${leaves}
  }`,
      },
    ],
    catcher: test("durability", "an outcome is settled once it is committed"),
    sign: /✖ an outcome is settled once/,
  },
  {
    name: "acknowledge-undone",
    engine: "cluster",
    bug: "a run of acknowledgements goes on over what is not done (against I2)",
    patches: [
      { file: `${cluster}/carriers/rabbitmq/acknowledgements.ts`, from: "if (!this.#done.has(tag)) break;", to: "" },
    ],
    catcher: test("carriers/rabbitmq/acknowledgements", "are said for all that is done, and for nothing else"),
    sign: /✖ are said for all that is done/,
  },
  {
    name: "retry-before-scheduled",
    engine: "cluster",
    bug: "a retry lets its claim go and acknowledges its hint, and is scheduled a little later",
    patches: [
      {
        file: `${cluster}/ledger/retry.ts`,
        from: "const sent = await through(RETRY,",
        to: `const claims = entries.map(({ call }) => call.claim.token);
  const text = "DELETE FROM sluice.running WHERE token = ANY ($1::bigint[])";
  await options.connection.rows({ name: "let-go", text }, [claims]);
  for (const entry of entries) {
    entry.answer("settled");
    ${leaves}
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  const sent = await through(RETRY,`,
      },
    ],
    catcher: test("contract", "a retry survives a crash"),
    sign: /✖ a retry survives a crash/,
  },
  {
    name: "mandatory-off",
    engine: "cluster",
    bug: "hints are published without `mandatory`: one that no queue takes counts as published",
    patches: [{ file: `${cluster}/carriers/rabbitmq/publisher.ts`, from: "mandatory: true", to: "mandatory: false" }],
    catcher: test("carriers/rabbitmq/broker.long", "has a hint when it was confirmed, and has none that was returned"),
    sign: /✖ has a hint when it was confirmed/,
  },
  {
    name: "confirm-ignored",
    engine: "cluster",
    bug: "a hint counts as published once it is written to the socket",
    patches: [
      {
        file: `${cluster}/carriers/rabbitmq/publisher.ts`,
        from: "return promise;",
        to: "resolve(true);\n    return promise;",
      },
    ],
    catcher: test("carriers/rabbitmq/broker.long", "sees by its heartbeats that a connection is half open"),
    sign: /what was on its way is not there for certain/,
  },
  {
    name: "outbox-before-confirm",
    engine: "cluster",
    bug: "rows of the outbox are cleared before RabbitMQ has confirmed; what it never got waits for the leader then",
    patches: [
      {
        file: `${cluster}/ledger/outbox.ts`,
        from: "if (await this",
        to: "this.#clear(row.no);\n    if (await this",
      },
    ],
    catcher: test("durability", "what RabbitMQ has not confirmed is told again"),
    sign: /✖ what RabbitMQ has not confirmed/,
  },
  {
    name: "unconfirmed-left",
    engine: "cluster",
    bug: "workers that have RabbitMQ take no rows of the outbox, however old; these wait for the leader",
    patches: [
      { file: `${cluster}/carriers/postgres.ts`, from: "OR o.stored_at NOT", to: "OR false AND o.stored_at NOT" },
    ],
    catcher: test("durability", "what RabbitMQ has not confirmed is told again"),
    sign: /✖ what RabbitMQ has not confirmed/,
  },
  {
    name: "row-taken-whole",
    engine: "cluster",
    bug: "a worker takes a long row of the outbox whole, however few requests it may hold",
    patches: [{ file: `${cluster}/carriers/postgres.ts`, from: "ELSE places END", to: "ELSE cardinality(ids) END" }],
    catcher: test(
      "carriers/carriers",
      "gives nobody more of a flood than it may hold, and all of it to those who go on",
    ),
    sign: /✖ gives nobody more of a flood/,
  },
  {
    name: "hints-of-gone-kept",
    engine: "cluster",
    bug: "rows of the outbox that a dead worker had taken are never free again",
    patches: [{ file: `${cluster}/carriers/postgres.ts`, from: "taken_by IS NOT NULL AND NOT", to: "false AND NOT" }],
    catcher: test("carriers/carriers", "brings again what a worker held that crashed, and not what was done"),
    sign: /✖ brings again what a worker held that crashed/,
  },
  {
    name: "left-at-rabbitmq",
    engine: "cluster",
    bug: "what RabbitMQ holds when the last worker that had it leaves is not put back",
    patches: [
      { file: `${cluster}/leader/lost-hints.ts`, from: "const leftMs = 5_000;", to: "const leftMs = 500_000;" },
    ],
    catcher: test(
      "carriers/switching.long",
      "a running cluster loses RabbitMQ and gets it again, process by process, and nothing waits for long",
    ),
    sign: /✖ a running cluster loses RabbitMQ/,
  },
  {
    name: "last-outcome-wins",
    engine: "cluster",
    bug: "the first outcome's constraint is gone (against I3)",
    patches: [
      {
        file: `${cluster}/ledger/settle.ts`,
        from: "ON CONFLICT (id) DO NOTHING",
        to: "ON CONFLICT (id) DO UPDATE SET state = excluded.state, result = excluded.result",
      },
    ],
    catcher: test("contract", "the first outcome wins"),
    sign: /✖ the first outcome wins/,
  },
  {
    name: "late-effect-kept",
    engine: "cluster",
    bug: "a transactional handler's statements are committed though its outcome came too late (against I3)",
    patches: [
      {
        file: `${cluster}/ledger/transact.ts`,
        from: 'if (!isSettled) throw new Undone("superseded");',
        to: "void isSettled;",
      },
    ],
    catcher: test("contract", "an effect whose outcome is not the first is undone"),
    sign: /✖ an effect whose outcome is not the first/,
  },
  {
    name: "effect-outside",
    engine: "cluster",
    bug: "a transactional handler's statements are committed each by itself, whatever becomes of its outcome (against I2)",
    patches: [
      {
        file: `${cluster}/ledger/transact.ts`,
        from: "inside.query(text, values)",
        to: "options.transactions.take().query(text, values)",
      },
    ],
    catcher: test("contract", "an effect and its outcome have both, or neither"),
    sign: /✖ an effect and its outcome have both/,
  },
  {
    name: "token-unchecked",
    engine: "cluster",
    bug: "whoever settles is taken for the holder of the claim (against I3)",
    patches: [
      { file: `${cluster}/ledger/settle.ts`, from: "n.id = i.id AND n.token = i.token", to: "n.id = i.id" },
      { file: `${cluster}/ledger/settle.ts`, from: "RETURNING n.id, n.token", to: "RETURNING n.id, i.token" },
    ],
    catcher: test("contract", "a late settle or retry is refused after the claim moved in a crash"),
    sign: /✖ a late settle or retry is refused/,
  },
  {
    name: "void-claim-settles",
    engine: "cluster",
    bug: "a claim that was handed back still settles while nobody else holds one (against I3)",
    patches: [{ file: `${cluster}/ledger/settle.ts`, from: "coalesce(s.token < i.token, true)", to: "true" }],
    catcher: test("contract", "a claim is void once the request was handed back"),
    sign: /✖ a claim is void once/,
  },
  {
    name: "tokens-given-twice",
    engine: "cluster",
    bug: "fencing tokens go on where a crash of PostgreSQL set them back to (against I3)",
    patches: [
      {
        file: `${cluster}/ledger/connection/token-connection.ts`,
        from: " + 1048576 + (random() * 1048576)::bigint",
        to: "",
      },
    ],
    catcher: test("ledger/connection/token-connection", "a fencing token is not given again"),
    sign: /✖ a fencing token is not given again/,
  },
  {
    name: "keys-forgotten",
    engine: "cluster",
    bug: "keys are compared, and never stored (against I5)",
    patches: [
      {
        file: `${cluster}/ledger/accept.ts`,
        from: "const keyed = fresh.filter(",
        to: "const keyed = fresh.slice(0, 0).filter(",
      },
    ],
    catcher: test("contract", "same key and same body: the same receipt again"),
    sign: /✖ same key and same body/,
  },
  {
    name: "crash-counts-attempt",
    engine: "cluster",
    bug: "a crash counts as a failed attempt (against I4)",
    patches: [
      {
        file: `${cluster}/leader/give-back.ts`,
        from: "$1::bigint, attempts, crashes, started_at, token, true",
        to: "$1::bigint, attempts + $2::int, crashes, started_at, token, true",
      },
    ],
    catcher: test("contract", "a crash counts no attempt"),
    sign: /✖ a crash counts no attempt/,
  },
  {
    name: "spool-emptied-early",
    engine: "cluster",
    bug: "a spool counts as forwarded, and is emptied, when its last page is not in the ledger yet (against I1)",
    patches: [
      {
        file: "packages/sluice/src/spool/spool.ts",
        from: "} else if (page === undefined) {",
        to: "} else if (page === undefined || page.requests.length < fewRequests) {",
      },
    ],
    catcher: { kind: "scenario", name: "spool-outage", rounds: 1 },
    sign: /lost is [1-9]/,
  },
  {
    name: "spool-overtaken",
    engine: "cluster",
    bug: "new requests go to the ledger as soon as it is back, before older ones of the spool",
    patches: [
      {
        file: "packages/sluice/src/spool/spooled-engine.ts",
        from: "if (!this.#spool.isDirect) return this.#spool.accept(requests);",
        to: `if (!this.#spool.isDirect && this.#ledger.outages().length > 0) return this.#spool.accept(requests);
      if (this.#ledger.engine === undefined) return this.#spool.accept(requests);`,
      },
    ],
    catcher: { kind: "scenario", name: "spool-outage", rounds: 1 },
    sign: /overtaken in the (?:ledger|deliveries)/,
  },
  {
    name: "alias-forgotten",
    engine: "cluster",
    bug: "of a key that came to two spools the second id is not kept, though it was given with a receipt (against I1)",
    patches: [
      {
        file: `${cluster}/move/spool-page.ts`,
        from: "if (aliases.length > 0)",
        to: "if (aliases.length < 0)",
      },
    ],
    catcher: { kind: "scenario", name: "spool-outage", rounds: 1 },
    sign: /lost is [1-9]/,
  },
];
