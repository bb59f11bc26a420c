/** Wall time for what is stored and shown, monotonic time for what is measured (I8). Both in milliseconds. */
export interface Clock {
  now(): number;
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
