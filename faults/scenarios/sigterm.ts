import { parcelSource } from "../parcel.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { Stage, stopGracefully } from "../stage.ts";

export const sigterm: Scenario = {
  name: "rolling-sigterm",
  numbers: "22",
  fault: "SIGTERM under load, and started again",
  play,
};

async function play({ rounds, random }: PlayOptions): Promise<Played> {
  // Without keys honoured: a graceful stop may run nothing twice.
  await using stage = await Stage.open({ mode: "plain" });
  const sender = new Sender(stage.ledger, parcelSource("rolling", random));
  const wrong: string[] = [];
  let hits = 0;
  for (let life = 0; life < rounds; life += 1) {
    await using sluice = await stage.startAlive();
    const gone = new AbortController();
    const sending = sender.send({ url: stage.url, concurrency: 8, signal: gone.signal, newMax: 500 });
    await Promise.race([sender.acceptedMore(random.between(20, 200)), sending]);
    const { code, signal } = await stopGracefully(sluice);
    gone.abort();
    await sending;
    if (code === 0) hits += 1;
    else wrong.push(`SIGTERM ended it with ${signal ?? code}: ${sluice.output().slice(-500)}`);
  }
  const { figures, violations } = await stage.finish([sender]);
  if (figures.dead > 0) violations.push(`${figures.dead} requests are dead, and B rejected none`);
  return { trials: rounds, hits, figures, areEffectsOnce: true, violations: [...wrong, ...violations] };
}
