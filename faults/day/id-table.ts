// Ids of requests and the numbers they belong to, sixteen bytes each, in a table of open addresses.

const idBytes = 16;

export class IdTable {
  readonly #ids: Buffer;
  /** Number plus one; zero is free. */
  readonly #slots: Uint32Array;
  readonly #mask: number;
  readonly #sought = Buffer.alloc(idBytes);

  /** For numbers from 0 up to the total. */
  constructor(total: number) {
    this.#ids = Buffer.alloc(total * idBytes);
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, total) * 2));
    this.#slots = new Uint32Array(slots);
    this.#mask = slots - 1;
  }

  /** The number must not have an id yet. Hexadecimal, with or without hyphens. */
  set(number: number, id: string): void {
    const slot = this.#slotOf(this.#parse(id));
    this.#slots[slot] = number + 1;
    this.#sought.copy(this.#ids, number * idBytes);
  }

  numberOf(id: string): number | undefined {
    const entry = this.#slots[this.#slotOf(this.#parse(id))] ?? 0;
    return entry === 0 ? undefined : entry - 1;
  }

  /** As the API writes it; all zeros for a number without one. */
  idOf(number: number): string {
    const hex = this.#ids.toString("hex", number * idBytes, (number + 1) * idBytes);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  #parse(id: string): Buffer {
    const hex = id.replaceAll("-", "");
    if (this.#sought.write(hex, "hex") !== idBytes || hex.length !== 2 * idBytes) throw new Error(`"${id}" is no id`);
    return this.#sought;
  }

  /** Where it is, or the free place where it would be. */
  #slotOf(id: Buffer): number {
    // The last bytes of an id are chance.
    for (let slot = id.readUInt32LE(idBytes - 4) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0) return slot;
      const at = (entry - 1) * idBytes;
      if (id.compare(this.#ids, at, at + idBytes) === 0) return slot;
    }
  }
}
