// Days that many have, by name, as phrases of `sluice plan --arrivals`. Pure.

const profiles: ReadonlyMap<string, string> = new Map([
  // 2,000,000: a quiet night, eight hours at the peak, an evening, and four hours in which the backlog goes down.
  [
    "day",
    [
      "4000/h for 1h, 2000/h for 3h, 4000/h for 1h, 8000/h for 1h, 20000/h for 1h, 60000/h for 1h",
      "200000/h for 8h, 120000/h for 1h, 70000/h for 1h, 40000/h for 1h, 25000/h for 1h, 18000/h for 1h",
      "12000/h for 1h, 8000/h for 1h, 5000/h for 1h, 0 for 4h",
    ].join(", "),
  ],
  ["peak", "200000/h for 1h"],
  // 20,000 at four times the rate of the peak.
  ["burst", "800000/h for 90s"],
]);

/** The phrase of a profile that has a name; any other text is its own. */
export function phraseOf(profile: string): string {
  return profiles.get(profile) ?? profile;
}
