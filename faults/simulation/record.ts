// node faults/simulation/record.ts <seed> <seed>...: prints what each history asked of the ledger, as JSON lines. Of a ledger
// without a standby: it is to be asked of one server again.
import "./install.ts";

const { playHistory } = await import("./history.ts");
const { planOf } = await import("./plan.ts");

for (const seed of process.argv.slice(2)) {
  if (planOf(Number(seed)).hasStandby) throw new Error(`the history of seed ${seed} has a standby`);
  const lines: string[] = [];
  await playHistory(Number(seed), { record: (recorded) => lines.push(JSON.stringify(recorded)) });
  console.log(JSON.stringify({ kind: "history", seed: Number(seed) }));
  console.log(lines.join("\n"));
}
