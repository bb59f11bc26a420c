// Counts what is lost when the worker is killed 20 times over 20,000 requests: node bench/loss.ts [requests] [kills]
import { loseWithTextbook } from "./scenarios/loss.ts";

const [requests = "20000", kills = "20"] = process.argv.slice(2);
const textbook = await loseWithTextbook({ requests: Number(requests), kills: Number(kills) });
console.table({ textbook });
