// Peak memory of the processes of a load, by their role. Linux only.
import { readFileSync } from "node:fs";

export interface Resident {
  /** Such as `gateway 1`. */
  readonly name: string;
  readonly pid: number;
}

export class Peaks {
  readonly #mibMax: number;
  readonly #peaks = new Map<string, number>();

  /** What each of them may hold. */
  constructor(mibMax: number) {
    this.#mibMax = mibMax;
  }

  /** To be called before a process ends: its peak goes with it. */
  note(residents: readonly Resident[]): void {
    for (const { name, pid } of residents) this.#peaks.set(name, Math.max(peakMiB(pid), this.#peaks.get(name) ?? 0));
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

function peakMiB(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib ?? 0) / 1_024;
}
