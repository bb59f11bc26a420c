/** Whose call it is, as far as it decides what he gets to see. */
export interface Viewer {
  /** The queues that he knows; undefined is all of them. */
  readonly queues: readonly string[] | undefined;
  sees(queue: string): boolean;
}

export const seesEverything: Viewer = { queues: undefined, sees: () => true };

export function viewerOf(queues: readonly string[] | undefined): Viewer {
  if (queues === undefined) return seesEverything;
  const names = new Set(queues);
  return { queues, sees: (queue) => names.has(queue) };
}
