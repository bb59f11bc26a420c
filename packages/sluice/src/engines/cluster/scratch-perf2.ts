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

await seed.script("VACUUM ANALYZE");
const H = (t: string) => `EXISTS (SELECT FROM sluice.${t} x WHERE x.id = r.id OFFSET 0)`;
const L = (t: string) => `LEFT JOIN LATERAL (SELECT id FROM sluice.${t} x WHERE x.id = r.id OFFSET 0) ${t} ON true`;
const lo = id(String(now - 5 * dayMs - 7200_000), "0"), hi = id(String(now - 5 * dayMs), "0");
const W = `r.queue = 1 AND r.id >= ${lo} AND r.id < ${hi}`;
const V: Record<string, string> = {
  v0: `SELECT count(*) FROM sluice.requests r WHERE ${W}`,
  v1: `SELECT count(*) FROM sluice.requests r WHERE ${W} AND NOT ${H("outcomes")} AND NOT ${H("running")} AND NOT ${H("schedule")}`,
  v2: `SELECT count(*) FROM sluice.requests r WHERE ${W} AND CASE WHEN ${H("outcomes")} THEN false ELSE NOT ${H("running")} AND NOT ${H("schedule")} END`,
  v3: `SELECT count(*) FROM sluice.requests r ${L("outcomes")} WHERE ${W} AND outcomes.id IS NULL AND NOT ${H("running")} AND NOT ${H("schedule")}`,
  v5: `SELECT count(*) FROM sluice.requests r WHERE ${W} AND CASE WHEN EXISTS (SELECT FROM sluice.outcomes x WHERE x.id = r.id AND x.id >= ${lo} AND x.id < ${hi} OFFSET 0) THEN false ELSE NOT ${H("running")} AND NOT ${H("schedule")} END`,
  v6: `SELECT count(*) FROM (SELECT id FROM sluice.requests r WHERE ${W} EXCEPT SELECT id FROM sluice.outcomes x WHERE x.id >= ${lo} AND x.id < ${hi}) r`,
};
await db.script("SET max_parallel_workers_per_gather = 0");
for (let i = 0; i < 2; i++) for (const [n, q] of Object.entries(V)) await t(n, async () => { await db.script(q); });
