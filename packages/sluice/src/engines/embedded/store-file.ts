import { join } from "node:path";

export function storeFileIn(folder: string): string {
  return join(folder, "sluice.db");
}
