// A dry run asks for nothing: it reads what is there, and the decisions are told only.
import type { Platform, ReplicaCount } from "./platform.ts";

export interface ObservedOptions {
  readonly name: Platform["name"];
  readonly read: () => Promise<ReplicaCount>;
}

export function observedPlatform({ name, read }: ObservedOptions): Platform {
  return {
    name,
    replicas: read,
    scaleTo: () => Promise.resolve("scaled"),
    standDown: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
