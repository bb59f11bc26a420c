import { backlog } from "./backlog.ts";
import { intake } from "./intake.ts";
import { life } from "./life.ts";
import { lines } from "./lines.ts";
import { loss } from "./loss.ts";
import { neighbours } from "./neighbours.ts";
import { rated } from "./rated.ts";
import { restart } from "./restart.ts";
import type { Scenario } from "./scenario.ts";
import { small } from "./small.ts";

export const scenarios: readonly Scenario[] = [intake, life, rated, backlog, restart, small, lines, neighbours, loss];
