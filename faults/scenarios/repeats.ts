import type { Field } from "../field.ts";
import { parcelOf } from "../parcel.ts";
import type { Played, PlayOptions } from "../scenario.ts";
import { sendOne } from "../sender.ts";

export const repeatsFault = "keys sent 20 times at once over all gateways, half of them with another body";

const repeatsPerKey = 20;

/** A second run of the handler shows as a second effect. */
export async function playRepeats(open: () => Promise<Field>, { isShort }: PlayOptions): Promise<Played> {
  await using field = await open();
  const keys = isShort ? 50 : 1_000;
  const { accepted, refused } = await sendRepeats(field, keys);
  const { figures, violations } = await field.finish();
  const half = (keys * repeatsPerKey) / 2;
  if (accepted !== half) violations.push(`${accepted} receipts for ${keys} keys`);
  if (refused !== half) violations.push(`${refused} answers with 422`);
  if (figures.effects !== keys) violations.push(`${figures.effects} effects of ${keys} keys`);
  return { trials: keys, hits: refused, figures, areEffectsOnce: true, violations };
}

/** How many were answered in which way. */
interface Repeated {
  accepted: number;
  refused: number;
}

async function sendRepeats({ urls, ledger }: Field, keys: number): Promise<Repeated> {
  const repeated: Repeated = { accepted: 0, refused: 0 };
  for (let number = 0; number < keys; number += 1) {
    const answers = await Promise.all(
      Array.from({ length: repeatsPerKey }, (_, n) => {
        const body = Buffer.from(`${n % 2 === 0 ? "one" : "other"} ${number}`);
        // Both bodies go to every gateway.
        const url = urls[Math.floor(n / 2) % urls.length] as string;
        return sendOne({ url, ledger, parcel: parcelOf(`key-${number}`, body) });
      }),
    );
    repeated.accepted += answers.filter(({ kind }) => kind === "accepted").length;
    repeated.refused += answers.filter((answer) => answer.kind === "refused" && answer.status === 422).length;
  }
  return repeated;
}
