import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastingPort } from "@sluice/testing";
import { Member, wrongEnds } from "../cluster/member.ts";
import type { DayStage, DayStageOptions } from "./day-stage.ts";
import { memberVictim } from "./victim.ts";

export const dayConfig = fileURLToPath(new URL("./day.config.ts", import.meta.url));

/** One `sluice up`. */
export async function openEmbeddedStage({ folder, ratePerHour }: DayStageOptions): Promise<DayStage> {
  const dataFolder = join(folder, "data");
  await mkdir(dataFolder);
  const port = await lastingPort();
  const member = new Member({
    role: "up",
    number: 1,
    args: () => [
      "--config",
      dayConfig,
      "--data",
      dataFolder,
      "--port",
      String(port),
      "--grace",
      "10s",
      "--log-level",
      "warn",
    ],
    env: { DAY_FOLDER: folder, DAY_RATE: `${ratePerHour}/h` },
    crashAt: () => undefined,
    logFile: undefined,
  });
  await member.ready();
  return {
    urls: [`http://127.0.0.1:${port}`],
    victims: [memberVictim("sluice up", member)],
    versions: () => Promise.resolve({}),
    wrongEnds: () => wrongEnds(member),
    leftovers: () => Promise.resolve([]),
    async stop() {
      await member.stop();
      return wrongEnds(member);
    },
    [Symbol.asyncDispose]: () => member[Symbol.asyncDispose](),
  };
}
