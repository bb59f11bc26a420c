/** The work that every peer's handler does: read the JSON body, return a little JSON. */
export function work(order: unknown): { readonly ok: true; readonly n: unknown } {
  return { ok: true, n: (order as { readonly n: unknown }).n };
}
