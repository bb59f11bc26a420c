import type { Scenario } from "../scenario.ts";
import { diskFull } from "./disk-full.ts";
import { kills } from "./kill.ts";
import { load } from "./load.ts";
import { migration } from "./migration.ts";
import { poison } from "./poison.ts";
import { powerLosses } from "./power-loss.ts";
import { refusals } from "./refusals.ts";
import { repeats } from "./repeats.ts";
import { replays } from "./replays.ts";
import { scalings } from "./scaling.ts";
import { sigterm } from "./sigterm.ts";

export const scenarios: readonly Scenario[] = [
  ...kills,
  migration,
  ...replays,
  poison,
  repeats,
  sigterm,
  refusals,
  diskFull,
  ...powerLosses,
  ...load,
  ...scalings,
];

/** Faults of the list that the embedded engine cannot meet, or that this run cannot make. */
export const notPlayed: readonly { readonly numbers: string; readonly why: string }[] = [
  { numbers: "7 to 13, 15, 16", why: "there is no broker, cache or database server beside the embedded engine" },
  {
    numbers: "17, 18",
    why: "worker and store are one process: it cannot be stopped past its claim, or have two clocks",
  },
];
