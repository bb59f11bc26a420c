import { parcelOf, type Parcel } from "../parcel.ts";

/** What a body begins with that the handler rejects. */
export const hopeless = Buffer.from('"hopeless');

export interface ParcelPlan {
  readonly name: string;
  /** Each so many parcels one is hopeless; none unless given. */
  readonly hopelessEvery?: number;
}

/** Small bodies in JSON, each another one. */
export function jsonParcels({ name, hopelessEvery = 0 }: ParcelPlan): () => Parcel {
  let count = 0;
  return () => {
    count += 1;
    const word = hopelessEvery > 0 && count % hopelessEvery === 0 ? "hopeless" : "order";
    return parcelOf(`${name}-${count}`, Buffer.from(`"${word} ${count} of ${name}"`));
  };
}
