import type { RequestId } from "../../core/request-id.ts";
import type { Change } from "../../engine/engine.ts";

type OnChange = (change: Change) => void;

/** Who waits to be told of the changes of a request. */
export class Watchers {
  readonly #watchers = new Map<RequestId, Set<OnChange>>();

  get isEmpty(): boolean {
    return this.#watchers.size === 0;
  }

  /** Of the requests that somebody watches. */
  ids(): readonly RequestId[] {
    return [...this.#watchers.keys()];
  }

  add(id: RequestId, onChange: OnChange): Disposable {
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(onChange));
    return {
      [Symbol.dispose]: () => {
        watchers.delete(onChange);
        if (watchers.size === 0 && this.#watchers.get(id) === watchers) this.#watchers.delete(id);
      },
    };
  }

  tell(id: RequestId, change: Change): void {
    for (const onChange of this.#watchers.get(id) ?? []) onChange(change);
  }
}
