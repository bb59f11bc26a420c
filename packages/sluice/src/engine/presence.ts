import type { Presence } from "./engine.ts";

/** What is counted of the workers of a queue. */
export type Attendance = "workers" | "breakersOpen";

/** A worker that is present from now on, its breaker closed; `change` keeps the counts. Leaving twice is safe. */
export function presence(change: (what: Attendance, by: 1 | -1) => void): Presence {
  let isPresent = true;
  let isOpen = false;
  const breakerOpen = (next: boolean): void => {
    if (!isPresent || next === isOpen) return;
    isOpen = next;
    change("breakersOpen", next ? 1 : -1);
  };
  change("workers", 1);
  return {
    breakerOpen,
    [Symbol.dispose]: () => {
      breakerOpen(false);
      if (isPresent) change("workers", -1);
      isPresent = false;
    },
  };
}
