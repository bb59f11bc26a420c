// The synchronous standby dies. Commits wait for it from then on: no request gets a receipt, however the wait ends and whichever
// gateway is asked again under the same key. A standby that is promoted then has every request with a receipt.
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import type { Parcel } from "../../parcel.ts";
import { sendOne } from "../../sender.ts";
import { forbidReceipts, promote, rejoin, underFailover, type FailoverScenario, type Field } from "../failover.ts";

/** Of the first round: longer than a gateway waits for the answer to a statement. */
const longMs = 22_000;
const shortMs = 1_500;
const endEveryMs = 100;
const clients = 4;
const sendAgainMs = 1_000;

type Ending = "pg_cancel_backend" | "pg_terminate_backend";

export const waits: readonly FailoverScenario[] = [
  {
    name: "standby-dies",
    fault: "synchronous standby killed and started again; or killed, and promoted after the primary died too",
    play: (options) => underFailover(options, { name: "standby-dies" }, (field) => withoutStandby(field)),
  },
  {
    name: "wait-cancelled",
    fault: "synchronous standby killed, commits that wait for it cancelled, then the standby promoted",
    play: (options) =>
      underFailover(options, { name: "wait-cancelled" }, (field) => withoutStandby(field, "pg_cancel_backend")),
  },
  {
    name: "wait-terminated",
    fault: "synchronous standby killed, sessions that wait for it terminated, then the standby promoted",
    play: (options) =>
      underFailover(options, { name: "wait-terminated" }, (field) => withoutStandby(field, "pg_terminate_backend")),
  },
];

async function withoutStandby(field: Field, ending?: Ending): Promise<void> {
  const { pair, stage, sender, load, probe, random, rounds } = field;
  const { signal } = new AbortController();
  await load.stop();
  for (let round = 0; round < rounds; round += 1) {
    await sender.send({ url: stage.urls, concurrency: 8, signal, newMax: random.between(10, 100) });
    await pair.kill(pair.other);
    const from = stage.ledger.lines.length;
    const ms = round === 0 && ending === undefined ? longMs : shortMs;
    const receipts = sendToBoth(field, Array.from({ length: clients }, probe), ms / 5);
    await (ending === undefined ? delay(ms) : endWaits(field, ending, ms));
    if (ending === undefined && round % 2 === 1) {
      forbidReceipts(field, from, "came while no standby had what was committed");
      await pair.startStandby();
    } else {
      await pair.kill(pair.primary);
      forbidReceipts(field, from, "came while no standby had what was committed");
      await pair.startStandby();
      await promote(field);
      await rejoin(field);
    }
    await receipts;
  }
}

/** To one gateway, and a little later to the other, until both have given their receipt. */
async function sendToBoth(field: Field, parcels: readonly Parcel[], laterMs: number): Promise<void> {
  const { stage } = field;
  const sendUntilAccepted = async (parcel: Parcel, url: string): Promise<void> => {
    while ((await sendOne({ url, parcel, ledger: stage.ledger })).kind !== "accepted") await delay(sendAgainMs);
  };
  const sendingOf = async (url: string, number: number): Promise<void> => {
    await delay(number * laterMs);
    await Promise.all(parcels.map((parcel) => sendUntilAccepted(parcel, url)));
  };
  await Promise.all(stage.urls.map(sendingOf));
}

/** The waits of all sessions, for so long. */
async function endWaits({ pair, wrong }: Field, ending: Ending, ms: number): Promise<void> {
  const client = new Client({ host: "127.0.0.1", port: pair.primaryPort, user: "sluice", database: "postgres" });
  await client.connect();
  const giveUpAt = performance.now() + ms;
  let ended = 0;
  while (performance.now() < giveUpAt) {
    const { rowCount } = await client.query(
      `SELECT ${ending}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'`,
    );
    ended += rowCount ?? 0;
    await delay(endEveryMs);
  }
  await client.end();
  if (ended === 0) wrong.push("no session waited for the standby");
}
