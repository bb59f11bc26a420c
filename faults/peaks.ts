// Peak memory of the processes of a run, by their role. Linux only.
import { readFileSync, readdirSync } from "node:fs";

export interface Resident {
  /** Such as `gateway 1`. */
  readonly name: string;
  readonly pid: number;
}

export class Peaks {
  readonly #mibMax: number;
  readonly #peaks = new Map<string, number>();

  /** What each of them may hold. */
  constructor(mibMax: number = Number.POSITIVE_INFINITY) {
    this.#mibMax = mibMax;
  }

  /** To be called before a process ends: its peak goes with it. */
  note(residents: readonly Resident[]): void {
    for (const { name, pid } of residents) this.#peaks.set(name, Math.max(peakMiB(pid), this.#peaks.get(name) ?? 0));
  }

  /** By name, in MiB. */
  all(): readonly (readonly [name: string, mib: number])[] {
    return [...this.#peaks];
  }

  /** For the row's notes. */
  text(): string {
    const each = [...this.#peaks].map(([name, mib]) => `${name} ${Math.round(mib)}`);
    return `peak memory in MiB, of at most ${this.#mibMax}: ${each.join(", ")}`;
  }

  violations(): readonly string[] {
    return [...this.#peaks]
      .filter(([, mib]) => !(mib > 0 && mib <= this.#mibMax))
      .map(([name, mib]) => `${name} held ${Math.round(mib)} MiB at its peak, of at most ${this.#mibMax}`);
  }
}

/** Of one process its peak so far; of one with children what they hold now, where what they share counts once. */
function peakMiB(pid: number): number {
  const [root, ...children] = treeOf(pid).map((one) => whileItLives(() => readFileSync(`/proc/${one}/status`, "utf8")));
  if (children.length === 0) return kib(root, "VmHWM") / 1_024;
  const all = [root, ...children];
  const own = all.reduce((sum, status) => sum + kib(status, "RssAnon"), kib(root, "RssFile"));
  return (own + Math.max(...all.map((status) => kib(status, "RssShmem")))) / 1_024;
}

function treeOf(pid: number): readonly number[] {
  const children = whileItLives(() =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    ),
  );
  return [pid, ...(children ?? []).flatMap(treeOf)];
}

function kib(status: string | undefined, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status ?? "")?.[1] ?? 0);
}

function whileItLives<Value>(look: () => Value): Value | undefined {
  try {
    return look();
  } catch {
    return undefined; // it ended between two looks
  }
}
