import { startPostgres } from "@sluice/testing";
import { Connection } from "./database.ts";
import { migrateCluster } from "./migrate.ts";
import { keepPartitions, dropExpired } from "./retention.ts";
import { listRequests } from "./list.ts";
import { auditLedger } from "./audit.ts";
import { BacklogReader } from "./backlog.ts";
import { readStates, readRequest } from "./read.ts";
import { openLog } from "../../telemetry/log.ts";
const log = openLog({ level: "silent", isPretty: false });
await using pg = await startPostgres({ settings: { fsync: "off" } });
await migrateCluster({ servers: { databaseUrl: pg.url, amqpUrl: "", redisUrl: "", prefix: "x" }, queues: ["orders", "mails"], log, declare: async () => "present" });
await using db = new Connection({ databaseUrl: pg.url, name: "perf", settings: { jit: "off" } });
const now = Date.now(), dayMs = 86400000;
for (let d = 1; d <= 12; d++) await keepPartitions(db, now - d * dayMs);
const t = async (name: string, f: () => Promise<unknown>) => { const s = performance.now(); const r = await f(); console.log(name, (performance.now() - s).toFixed(1), "ms", r === undefined ? "" : JSON.stringify(r).slice(0, 160)); return r; };
await using seed = new Connection({ databaseUrl: pg.url, name: "seed" });
// 250k a day for 10 days, oldest first
const id = (ms: string, i: string) => `(lpad(to_hex((${ms})::bigint),12,'0') || '7' || lpad(to_hex(${i} % 4096),3,'0') || '8' || substr(md5(${i}::text),1,15))::uuid`;
for (let d = 10; d >= 0; d--) {
  const base = now - d * dayMs - 3600_000 * 2;
  await seed.script(`INSERT INTO sluice.requests (id, queue, content_type, bytes, body)
    SELECT ${id(`${base} + i / 50`, "i")}, CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END, 'x', 2, '{}' FROM generate_series(1, 250000) i`);
  if (d > 0) await seed.script(`INSERT INTO sluice.outcomes (id, queue, state, attempts, finished_at)
    SELECT r.id, queue, CASE WHEN random() < 0.001 THEN 'dead' ELSE 'done' END, 1, ${base + 5000} FROM sluice.requests r WHERE r.id >= ${id(String(base), "0")} AND r.id < ${id(String(base + 6000), "0")}`);
}
const base = now - 7200_000;
await seed.script(`INSERT INTO sluice.outcomes (id, queue, state, attempts, finished_at) SELECT id, queue, 'done', 1, ${now} FROM (SELECT * FROM sluice.requests WHERE id >= ${id(String(base), "0")} ORDER BY id LIMIT 100000) r`);
await seed.script(`INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted) SELECT id, queue, ${now + 3600_000}, 1,0,0,false FROM (SELECT * FROM sluice.requests WHERE id >= ${id(String(base), "0")} ORDER BY id OFFSET 100000 LIMIT 60000) r`);
await seed.script(`INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes) SELECT id, 1, 1, queue, 0,0,${now},2 FROM (SELECT * FROM sluice.requests WHERE id >= ${id(String(base), "0")} ORDER BY id OFFSET 160000 LIMIT 2000) r`);
await seed.script(`INSERT INTO sluice.tallies (member, queue, accepted, done, dead, cancelled) SELECT 1, r.queue, r.n, o.done, o.dead, 0 FROM (SELECT queue, count(*) n FROM sluice.requests GROUP BY 1) r JOIN (SELECT queue, count(*) FILTER (WHERE state='done') done, count(*) FILTER (WHERE state='dead') dead FROM sluice.outcomes GROUP BY 1) o USING (queue)`);
const rounds = process.argv[2] === "analyze" ? ["analyzed"] : ["never analysed", "analyzed"];
for (const r of rounds) {
  console.log("---", r);
  if (r === "analyzed") await seed.script("VACUUM ANALYZE").catch(async () => { await seed.script("ANALYZE"); });
  for (let i = 0; i < 2; i++) for (const state of [undefined, "waiting", "scheduled", "running", "done", "dead", "cancelled"] as const)
    for (const queue of ["orders", "mails", undefined])
      await t(`list ${state} ${queue}`, async () => (await listRequests(db, { state, queue, limit: 50 }, now)).length);
  const reader = new BacklogReader();
  const orig = db.rows.bind(db); const tot = new Map<string, [number, number]>();
  (db as any).rows = async (st: any, v: any) => { const a = performance.now(); const r = await orig(st, v); const x = tot.get(st.name) ?? [0, 0]; tot.set(st.name, [x[0] + 1, x[1] + performance.now() - a]); return r; };
  for (let i = 0; i < 8; i++) await t("backlog", async () => (await reader.read(db, now)).map((q) => [q.counts, q.oldestWaitingAt]));
  console.log([...tot].map(([n, [c, ms]]) => `${n} ${c}x ${ms.toFixed(0)}`).join("; ")); (db as any).rows = orig;
  const some = (await listRequests(db, { limit: 500 }, now)).map((x) => x.id);
  for (let i = 0; i < 7; i++) await t("states of 500", async () => { await readStates(db, some, now); });
  for (let i = 0; i < 7; i++) await t("read", async () => { await readRequest(db, some[i]!, now); });
  await t("audit", () => auditLedger(db, now));
}
for (const q of [1, 2]) {
  const [f] = await (db as any).query("SELECT id FROM sluice.requests r WHERE queue=$1 AND id >= $2 AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id=r.id) AND NOT EXISTS (SELECT FROM sluice.schedule o WHERE o.id=r.id) AND NOT EXISTS (SELECT FROM sluice.running o WHERE o.id=r.id) ORDER BY id LIMIT 1", [q, "01950000-0000-0000-0000-000000000000"]).then((r: any) => r.rows);
  const [e] = await (db as any).query("SELECT id FROM sluice.requests WHERE queue=$1 AND id >= $2 ORDER BY id OFFSET 200 LIMIT 1", [q, f.id]).then((r: any) => r.rows);
  const P = `id >= '${f.id}' AND id < '${e.id}'`;
  const x = await (db as any).query(`EXPLAIN (ANALYZE, BUFFERS) SELECT r.id FROM (SELECT id FROM sluice.requests WHERE queue = ${q} AND ${P}) r
    WHERE NOT EXISTS (SELECT FROM (SELECT id FROM sluice.outcomes WHERE ${P}) o WHERE o.id = r.id)
      AND NOT EXISTS (SELECT FROM (SELECT id FROM sluice.running WHERE ${P}) n WHERE n.id = r.id)
      AND NOT EXISTS (SELECT FROM (SELECT id FROM sluice.schedule WHERE ${P}) s WHERE s.id = r.id)
    ORDER BY r.id LIMIT 1`);
  console.log(x.rows.map((r: any) => r["QUERY PLAN"]).join("\n"));
}
for (let i = 0; i < 5; i++) await t("drop", () => dropExpired(db, { now, retentionMs: 7 * dayMs }));
await t("audit", () => auditLedger(db, now));
