// The world that the patched globals and the simulated drivers belong to: one history at a time.
import type { World } from "./world.ts";

let world: World | undefined;

/** Undefined outside of a history. */
export function currentWorld(): World | undefined {
  return world;
}

/** For the drivers, which the product calls within a history only. */
export function theWorld(): World {
  if (world === undefined) throw new Error("a simulated driver was called outside of a history");
  return world;
}

export function enterWorld(entered: World | undefined): void {
  world = entered;
}
