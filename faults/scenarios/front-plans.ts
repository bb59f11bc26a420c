import type { Door } from "../door.ts";

interface Plan {
  readonly name: string;
  readonly fault: string;
  readonly isLong?: true;
}

const chosen: readonly {
  readonly door: Door;
  readonly what: string;
  readonly points: readonly string[];
  readonly isLong?: true;
}[] = [
  { door: "front", what: "the client sends to the front", points: ["accept-committed", "effect-made", "outside"] },
  {
    door: "front-wait",
    what: "the client waits at the front for B's response",
    points: ["accept-committed", "outcome-committed"],
    isLong: true,
  },
  {
    door: "ordered",
    what: "each request has one of 12 order keys, a group and an urgency",
    points: ["accept-committed", "effect-made", "outcome-committed", "outside", "lines-handed-out"],
  },
];

/** Some of an engine's kill plans again, with the front before the queue. */
export function frontPlans<OfEngine extends Plan>(plans: readonly OfEngine[]): readonly OfEngine[] {
  return chosen.flatMap(({ door, what, points, ...length }) =>
    plans
      .filter(({ name }) => points.includes(name.replace("kill-", "")))
      .map((plan) => ({
        ...plan,
        ...length,
        door,
        name: plan.name.replace("kill", door),
        fault: `${plan.fault}; ${what}`,
      })),
  );
}
