/** A time in milliseconds since 1970 as RFC 3339. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

export function timeTextOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : timeText(ms);
}

/** Formats times of which many in a row are the same: the requests of one commit share their millisecond. */
export class TimeTextCache {
  #ms = Number.NaN;
  #text = "";

  of(ms: number): string {
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#text = timeText(ms);
    }
    return this.#text;
  }
}
