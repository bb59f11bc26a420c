// The bounds of a bulk replay, for those who check an order and for those who describe it.

export const replayLimit = { default: 1_000, max: 1_000_000 } as const;
/** Visible characters and spaces. */
export const errorCodePattern = "^[ -~]{1,255}$";
