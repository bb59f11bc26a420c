// Draws the chart of a stored run: node bench/chart.ts bench/results/<run>.json > docs/bench.svg
import { drawChart } from "./draw-chart.ts";
import { readResults } from "./results.ts";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Usage: node bench/chart.ts RESULTS.json > CHART.svg");
process.stdout.write(drawChart(await readResults(file)));
