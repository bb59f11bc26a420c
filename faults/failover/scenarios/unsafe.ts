// A setting that durability needs is turned off while all runs, on both servers. From when it is noticed until it is set
// right nothing may get a receipt, on the primary and on the server that is failed over to.
import { setTimeout as delay } from "node:timers/promises";
import { whenTrue } from "../../cluster/observe.ts";
import { forbidReceipts, recover, rejoin, underFailover, type FailoverScenario, type Field } from "../failover.ts";

const settings = ["synchronous_commit", "fsync", "full_page_writes"] as const;
const shownMsMax = 15_000;
const unsafeMs = 1_000;

export const unsafe: FailoverScenario = {
  name: "unsafe-setting",
  fault: "synchronous_commit, fsync or full_page_writes turned off at run time, the primary killed, standby promoted",
  play: (options) => underFailover(options, { name: "unsafe-setting" }, turnOffAgainAndAgain),
};

async function turnOffAgainAndAgain(field: Field): Promise<void> {
  const { pair, sender, random, rounds } = field;
  for (let round = 0; round < rounds; round += 1) {
    const setting = settings[round % settings.length] as string;
    await sender.acceptedMore(random.between(10, 100));
    await pair.alter(pair.other, setting, "off");
    await pair.alter(pair.primary, setting, "off");
    await refuses(field, setting, "on the primary");
    await pair.kill(pair.primary);
    await pair.promote();
    await refuses(field, setting, "on the server that was promoted");
    await recover(field, () => pair.alter(pair.primary, setting, undefined));
    await rejoin(field);
  }
}

/** Every gateway names the setting and is not ready, and nothing gets a receipt. */
async function refuses(field: Field, setting: string, where: string): Promise<void> {
  const { stage, wrong } = field;
  const when = `with ${setting} off ${where}`;
  const named = `${setting} is off`;
  for (const url of stage.urls) {
    let shown = "";
    const ms = await whenTrue(async () => {
      const response = await fetch(`${url}/readyz`);
      shown = `${response.status} ${await response.text()}`;
      return response.status === 503 && shown.includes(named);
    }, shownMsMax);
    if (ms === undefined) wrong.push(`${when} /readyz did not say so within ${shownMsMax} ms: ${shown}`);
  }
  const from = stage.ledger.lines.length;
  await delay(unsafeMs);
  forbidReceipts(field, from, `came ${when}`);
}
