// The disk of PostgreSQL runs full under load. It refuses what needs a new page, and ends itself when it cannot write its
// log: then it comes back by itself, or gives up and has to be started again.
import { join } from "node:path";
import { lastingPort, startPostgres, type Postgres } from "@sluice/testing";
import { Client } from "pg";
import { bigParcelSource } from "../../parcel.ts";
import type { Played } from "../../scenario.ts";
import { sendOne } from "../../sender.ts";
import { smallDisk, type SmallDisk } from "../../small-disk.ts";
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import { whenClear, whenTrue } from "../observe.ts";
import { Server } from "../servers.ts";

export const ledgerDisk: ClusterScenario = {
  name: "postgres-disk-full",
  numbers: "19",
  fault: "the disk of PostgreSQL runs full under load, and gets room again",
  isLong: true,
  play,
};

const diskMiB = 320;
const freeBytes = 1024 * 1024;
const bodyBytes = 32 * 1024;
const fillsMax = 3;
const fullMsMax = 30_000;
const probes = 4;
const roomMsMax = 60_000;
/** Its log takes no more of the disk than this. */
const settings = { max_wal_size: "48MB", min_wal_size: "32MB" };

async function play(options: ClusterPlayOptions): Promise<Played> {
  const { random } = options;
  await using disk = await smallDisk(diskMiB);
  const place = { folder: join(disk.path, "postgres"), port: await lastingPort() };
  await using postgres = new Server(place, (place) => startPostgres({ ...place, settings }));
  const servers = options.servers.with({ postgres });
  const parcels = bigParcelSource("ledger-disk", bodyBytes, random);
  // Its crash forgets the claims: what was under way may run again.
  return await underLoad(
    { ...options, servers },
    { name: "ledger-disk", mode: "honours-key", restMs: 20, parcels },
    (field) => fillAgainAndAgain(field, { disk, postgres }),
  );
}

interface Disk {
  readonly disk: SmallDisk;
  readonly postgres: Server<Postgres>;
}

async function fillAgainAndAgain({ stage, sender, random, rounds, wrong }: Field, place: Disk): Promise<Fault> {
  const trials = Math.min(rounds, fillsMax);
  const next = bigParcelSource("probe", bodyBytes, random);
  let hits = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    await sender.acceptedMore(random.between(20, 100));
    const from = stage.ledger.lines.length;
    place.disk.fill(freeBytes);
    const isRefused = (): boolean => stage.ledger.lines.slice(from).some(({ kind }) => kind === "refused");
    if ((await whenTrue(isRefused, fullMsMax)) === undefined) wrong.push(`nothing was refused within ${fullMsMax} ms`);
    for (let probe = 0; probe < probes; probe += 1) {
      const url = stage.urls[probe % stage.urls.length] as string;
      const answer = await sendOne({ url, ledger: stage.ledger, parcel: next() });
      if (answer.kind !== "refused") continue;
      if (answer.status === 503 && Number(answer.retryAfter) > 0) hits += 1;
      else wrong.push(`with the disk full a request was answered with ${JSON.stringify(answer)}`);
    }
    place.disk.empty();
    await bringBack(place.postgres);
    for (const url of stage.urls) {
      const isTaken = async (): Promise<boolean> =>
        (await sendOne({ url, ledger: stage.ledger, parcel: next() })).kind === "accepted";
      if ((await whenTrue(isTaken, roomMsMax)) === undefined) wrong.push(`${url} took nothing though there is room`);
    }
    wrong.push(...(await whenClear(stage.urls, roomMsMax)));
  }
  const statuses = stage.ledger.lines.flatMap((line) => (line.kind === "refused" ? [line.status] : []));
  const others = new Set(statuses.filter((status) => status !== 503));
  if (others.size > 0) wrong.push(`refused with ${[...others].join()}, not 503 alone`);
  return { trials, hits };
}

/** Resolves once it takes connections: the one that has gone on, or came back by itself, or another one. */
async function bringBack(postgres: Server<Postgres>): Promise<void> {
  const running = postgres.now;
  const isAlive = await Promise.race([running.exited.then(() => false), answers(running)]);
  if (isAlive) return;
  await postgres.kill();
  await postgres.up();
}

async function answers({ url }: Postgres): Promise<boolean> {
  const ms = await whenTrue(async () => {
    const client = new Client({ connectionString: url });
    client.on("error", () => undefined); // told by the answer
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  }, roomMsMax);
  return ms !== undefined;
}
