import { loadConfig } from "../load/embedded-field.ts";
import { resultsRead, type Field } from "../load/field.ts";
import type { Resident } from "../load/peaks.ts";
import { ClusterStage, type ClusterStageOptions } from "./cluster-stage.ts";
import type { Member } from "./member.ts";

export async function openClusterField(
  { servers, logFolder }: Pick<ClusterStageOptions, "servers" | "logFolder">,
  { retention = "7d" }: { readonly retention?: string } = {},
): Promise<Field> {
  let kept = retention;
  const args = (): readonly string[] => ["--retention", kept];
  const stage = await ClusterStage.open({ servers, logFolder, configFile: loadConfig, args });
  return {
    urls: stage.urls,
    ledger: stage.ledger,
    folder: stage.folder,
    residents: () => stage.members.flatMap(residentOf),
    async restart(keptFromNow) {
      kept = keptFromNow;
      await Promise.all(stage.members.map((member) => member.restart()));
    },
    finish: () => stage.finish([], { resultsMax: resultsRead }),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

function residentOf({ name, pid }: Member): Resident[] {
  return pid === undefined ? [] : [{ name, pid }];
}
