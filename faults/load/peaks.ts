// Peak memory of the processes of a load, by their role. Linux only.
import { readFileSync } from "node:fs";

export interface Resident {
  /** Such as `gateway 1`. */
  readonly name: string;
  readonly pid: number;
  /** What its memory may reach, in MiB. */
  readonly mibMax: number;
}

export class Peaks {
  readonly #peaks = new Map<string, { readonly mib: number; readonly mibMax: number }>();

  /** To be called before a process ends: its peak goes with it. */
  note(residents: readonly Resident[]): void {
    for (const { name, pid, mibMax } of residents) {
      const mib = Math.max(peakMiB(pid), this.#peaks.get(name)?.mib ?? 0);
      this.#peaks.set(name, { mib, mibMax });
    }
  }

  /** For the row's notes. */
  text(): string {
    return `peak memory in MiB (at most): ${this.#each(({ mib, mibMax }) => `${Math.round(mib)} (${mibMax})`).join(", ")}`;
  }

  violations(): readonly string[] {
    return [...this.#peaks]
      .filter(([, { mib, mibMax }]) => !(mib > 0 && mib <= mibMax))
      .map(([name, { mib, mibMax }]) => `${name} held ${Math.round(mib)} MiB at its peak, of ${mibMax}`);
  }

  #each(show: (peak: { readonly mib: number; readonly mibMax: number }) => string): readonly string[] {
    return [...this.#peaks].map(([name, peak]) => `${name} ${show(peak)}`);
  }
}

function peakMiB(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib ?? 0) / 1_024;
}
