import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lastingPort, temporaryFolder } from "@sluice/testing";
import { Member, wrongEnds } from "./cluster/member.ts";
import { conclude, figuresOf } from "./conclusion.ts";
import { handlerConfig, memberVictim, resultsRead, type Field, type FieldSetting } from "./field.ts";
import { Ledger } from "./ledger.ts";
import { graceSeconds } from "./stage.ts";

/** One `sluice up`. */
export async function openEmbeddedField(_options: unknown, setting: FieldSetting = {}): Promise<Field> {
  const { queue = {}, isScaled = false, isLedgerKept } = setting;
  let { retention = "7d" } = setting;
  await using resources = new AsyncDisposableStack();
  const { path: folder } = resources.use(await temporaryFolder());
  const ledger = resources.use(await Ledger.open(join(folder, "ledger.ndjson"), { isKept: isLedgerKept }));
  const dataFolder = join(folder, "data");
  await mkdir(dataFolder);
  const port = await lastingPort();
  const url = `http://127.0.0.1:${port}`;
  const { min, max } = (queue["scaling"] ?? {}) as { readonly min?: number; readonly max?: number };
  const scaled = isScaled ? ["--processes", `${min}..${max}`, "--log-level", "info"] : ["--log-level", "warn"];
  const kept = ["--data", dataFolder, "--port", String(port), "--grace", `${graceSeconds}s`];
  const member = resources.use(
    new Member({
      role: "up",
      number: 1,
      args: () => ["--config", handlerConfig, ...kept, ...scaled, "--retention", retention],
      env: { FAULTS_FOLDER: folder, FAULTS_QUEUE: JSON.stringify(queue) },
      crashAt: () => undefined,
      logFile: undefined,
    }),
  );
  await member.ready();
  const owned = resources.move();
  return {
    urls: [url],
    ledger,
    folder,
    members: [member],
    victims: [memberVictim(member)],
    scalers: isScaled ? [member] : [],
    versions: () => Promise.resolve({}),
    async restart(keptFromNow) {
      retention = keptFromNow;
      await member.restart();
    },
    async finish({ senders = [], resultsMax = resultsRead } = {}) {
      await member.ready();
      const { readings, violations } = await conclude({ urls: [url], senders, resultsMax });
      await member.stop();
      return {
        figures: figuresOf(folder, { ledger, readings, senders }),
        violations: [...violations, ...wrongEnds(member)],
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
