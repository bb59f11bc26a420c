// PostgreSQL dies under load: nothing may be accepted while it is out, and nothing that was accepted may be gone.
import { setTimeout as delay } from "node:timers/promises";
import { parcelSource } from "../../parcel.ts";
import { sendOne } from "../../sender.ts";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import { acceptedWithin, order, whenClear, whenShown } from "../observe.ts";

export const ledgerOutage: ClusterScenario = {
  name: "postgres-killed",
  numbers: "16",
  fault: "PostgreSQL killed while a backlog is worked off, and started again on its folder",
  // Its crash forgets the claims: what was under way may run again.
  play: (options) => underLoad(options, { name: "ledger-killed", mode: "honours-key", restMs: 20 }, killLedger),
};

const shownMsMax = 10_000;
const downMs = 2_000;
const handlerMs = 50;
const backlogLeast = 300;
const clearMsMax = 30_000;

async function killLedger({ stage, servers, sender, random, rounds, wrong }: Field): Promise<Fault> {
  const trials = Math.min(rounds, 4);
  const next = parcelSource("probe", random);
  let hits = 0;
  await stage.behave(`wait:${handlerMs}`);
  for (let round = 0; round < trials; round += 1) {
    await order(stage.urls[0], "pause");
    await sender.acceptedMore(backlogLeast);
    await order(stage.urls[0], "resume");
    await delay(random.between(50, 300)); // the workers claim one after the other then
    await servers.postgres.kill();
    const from = stage.ledger.lines.length;
    wrong.push(...(await whenShown(stage.urls, { codes: ["store-unavailable"], status: 503, msMax: shownMsMax })));
    for (const url of stage.urls) {
      const answer = await sendOne({ url, ledger: stage.ledger, parcel: next() });
      const isRight = answer.kind === "refused" && answer.status === 503 && Number(answer.retryAfter) > 0;
      if (isRight) hits += 1;
      else wrong.push(`while PostgreSQL was out a request was answered with ${JSON.stringify(answer)}`);
    }
    await delay(downMs);
    const accepted = acceptedWithin(stage.ledger.lines.slice(from));
    if (accepted > 0) wrong.push(`${accepted} were accepted while PostgreSQL was out`);
    await servers.postgres.up();
    wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  }
  return { trials, hits };
}
