// Values by small numbers.

/**
 * Gives each value a number, which is another's once it is free. For what comes and goes by the thousand a second: a Map is built
 * anew again and again there, each dead one leads to the next, and once the collector has taken one for long-lived it keeps
 * what all the later ones held, until the next full collection.
 */
export class Slots<Value extends object> {
  readonly #values: (Value | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#values.length - this.#free.length;
  }

  add(value: Value): number {
    const slot = this.#free.pop() ?? this.#values.length;
    this.#values[slot] = value;
    return slot;
  }

  values(): Value[] {
    return this.#values.filter((value) => value !== undefined);
  }

  /** Undefined when the slot is free. */
  take(slot: number): Value | undefined {
    const value = this.#values[slot];
    if (value === undefined) return undefined;
    this.#values[slot] = undefined;
    this.#free.push(slot);
    return value;
  }
}
