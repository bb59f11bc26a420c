// The body that every peer gets: JSON of exactly 512 bytes, as an order might look.

const bodyBytes = 512;

const order = {
  n: 4711,
  order: "2026-0004711",
  customer: { name: "Ada Lovelace", email: "ada@example.org", country: "GB" },
  lines: [
    { sku: "SLU-100-BLU", quantity: 2, unitPriceCents: 1999 },
    { sku: "SLU-220-RED", quantity: 1, unitPriceCents: 4950 },
    { sku: "SLU-305-BLK", quantity: 5, unitPriceCents: 349 },
  ],
  note: "",
};

/** JSON of 512 bytes, filled up in its note. */
export const body: string = JSON.stringify({
  ...order,
  note: "Leave it with the neighbours. ".repeat(20).slice(0, bodyBytes - JSON.stringify(order).length),
});
