import type { Figures } from "../checker.ts";
import type { Ledger } from "../ledger.ts";
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
  let told: Repeated;
  {
    await using sluice = await stage.startAlive();
    told = await sendRepeats({ urls: [sluice.url], ledger: stage.ledger, keys });
    sluice.kill("SIGTERM"); // not killed: the last one may be between its effect and its outcome
    await sluice.exited;
  }
  const { figures, violations } = await stage.finish([]);
  const wrong = judgeRepeats(told, figures, keys);
  return { trials: keys, hits: told.refused, figures, areEffectsOnce: true, violations: [...wrong, ...violations] };
}

/** How many were answered in which way. */
interface Repeated {
  readonly accepted: number;
  readonly refused: number;
}

/** Sends each key 20 times at once, in turn to each gateway, half of them with another body. */
export async function sendRepeats({
  urls,
  ledger,
  keys,
}: {
  readonly urls: readonly string[];
  readonly ledger: Ledger;
  readonly keys: number;
}): Promise<Repeated> {
  const repeated = { accepted: 0, refused: 0 };
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

export function judgeRepeats({ accepted, refused }: Repeated, { effects }: Figures, keys: number): readonly string[] {
  const half = (keys * repeatsPerKey) / 2;
  return [
    ...(accepted === half ? [] : [`${accepted} receipts for ${keys} keys`]),
    ...(refused === half ? [] : [`${refused} answers with 422`]),
    ...(effects === keys ? [] : [`${effects} effects of ${keys} keys`]),
  ];
}
