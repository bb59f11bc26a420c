import { parcelOf } from "../parcel.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { sendOne } from "../sender.ts";
import { Stage } from "../stage.ts";

export const repeats: Scenario = {
  name: "repeats",
  numbers: "21",
  fault: "keys sent 20 times at once, half of them with another body",
  play,
};

const repeatsPerKey = 20;

async function play({ isShort }: PlayOptions): Promise<Played> {
  // Without keys honoured: a second run of the handler shows as a second effect.
  await using stage = await Stage.open({ mode: "plain" });
  const keys = isShort ? 50 : 1_000;
  const statuses: (number | "accepted" | "unknown")[] = [];
  {
    await using sluice = await stage.startAlive();
    for (let number = 0; number < keys; number += 1) {
      const parcels = ["one", "other"].map((body) => parcelOf(`key-${number}`, Buffer.from(`${body} ${number}`)));
      const answers = await Promise.all(
        Array.from({ length: repeatsPerKey }, (_, n) => parcels[n % 2]).flatMap((parcel) =>
          parcel === undefined ? [] : [sendOne({ url: sluice.url, ledger: stage.ledger, parcel })],
        ),
      );
      statuses.push(...answers.map((answer) => (answer.kind === "refused" ? answer.status : answer.kind)));
    }
  }
  const { figures, violations } = await stage.finish([]);
  const refused = statuses.filter((status) => status === 422).length;
  const accepted = statuses.filter((status) => status === "accepted").length;
  if (accepted !== (keys * repeatsPerKey) / 2) violations.push(`${accepted} receipts for ${keys} keys`);
  if (refused !== (keys * repeatsPerKey) / 2) violations.push(`${refused} answers with 422`);
  if (figures.effects !== keys) violations.push(`${figures.effects} effects of ${keys} keys`);
  return { trials: keys, hits: refused, figures, areEffectsOnce: true, violations };
}
