// Memory of a process with its children, as Linux counts it.
import { readFileSync, readdirSync } from "node:fs";

/** In MiB; what the processes share counts once. Zero when it has just ended. */
export function treeMemoryMiB(pid: number): number {
  const all = treeOf(pid).map(memoryOf);
  const [root] = all;
  const anonymous = all.reduce((sum, { anonymousKib }) => sum + anonymousKib, 0);
  return ((root?.fileKib ?? 0) + anonymous + Math.max(0, ...all.map(({ sharedKib }) => sharedKib))) / 1_024;
}

function treeOf(pid: number): readonly number[] {
  const children = whileItLives(() =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    ),
  );
  return [pid, ...(children ?? []).flatMap(treeOf)];
}

function memoryOf(pid: number): {
  readonly anonymousKib: number;
  readonly fileKib: number;
  readonly sharedKib: number;
} {
  const status = whileItLives(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? "";
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  return { anonymousKib: kib("RssAnon"), fileKib: kib("RssFile"), sharedKib: kib("RssShmem") };
}

function whileItLives<Value>(look: () => Value): Value | undefined {
  try {
    return look();
  } catch {
    return undefined; // it ended between two looks
  }
}
