// node faults/simulation/record.ts <seed> <seed>...: prints what each history asked of the ledger, as JSON lines.
import "./install.ts";

const { playHistory } = await import("./history.ts");

for (const seed of process.argv.slice(2)) {
  const lines: string[] = [];
  await playHistory(Number(seed), { record: (recorded) => lines.push(JSON.stringify(recorded)) });
  console.log(JSON.stringify({ kind: "history", seed: Number(seed) }));
  console.log(lines.join("\n"));
}
