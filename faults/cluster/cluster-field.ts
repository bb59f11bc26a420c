import { loadConfig } from "../load/embedded-field.ts";
import { resultsRead, type Field } from "../load/field.ts";
import { ClusterStage, type ClusterStageOptions } from "./cluster-stage.ts";
import type { Member, Role } from "./member.ts";

const mibMax: Readonly<Record<Role, number>> = { gateway: 300, worker: 300 };

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
    async keepForDays() {
      kept = "7d";
      for (const member of stage.members) await member.restart();
    },
    finish: () => stage.finish([], { resultsMax: resultsRead }),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

function residentOf({ name, role, pid }: Member): { name: string; pid: number; mibMax: number }[] {
  return pid === undefined ? [] : [{ name, pid, mibMax: mibMax[role] }];
}
