// Which servers a run has beside PostgreSQL: both unless --without, or else SLUICE_TEST_CARRIERS, leaves some out.
import { carriersUnderTest, type CarrierChoice } from "@sluice/testing";

export type CarrierName = keyof CarrierChoice;

const names: Readonly<Record<CarrierName, string>> = { rabbitmq: "RabbitMQ", redis: "Redis" };

/** As --without has it, with commas between; undefined where that names anything else. */
export function choiceOf(without: string | undefined): CarrierChoice | undefined {
  if (without === undefined) return carriersUnderTest();
  const left = without.split(",");
  if (!left.every((name) => Object.hasOwn(names, name))) return undefined;
  return { rabbitmq: !left.includes("rabbitmq"), redis: !left.includes("redis") };
}

/** The flag that makes the same choice again. */
export function flagsOf(choice: CarrierChoice): readonly string[] {
  const left = leftOut(choice);
  return left.length === 0 ? [] : ["--without", left.join(",")];
}

/** What a scenario is about: one of the servers, or the ledger as the only carrier of hints. */
export type Need = CarrierName | "no rabbitmq";

/** Why a scenario cannot be played on these servers; undefined where it can. */
export function whyLeftOut(needs: readonly Need[], choice: CarrierChoice): string | undefined {
  if (needs.includes("no rabbitmq") && choice.rabbitmq) return "RabbitMQ carries the hints in this run";
  const missing = leftOut(choice).filter((name) => needs.includes(name));
  if (missing.length === 0) return undefined;
  return `it is about ${missing.map((name) => names[name]).join(" and ")}, which this run is without`;
}

function leftOut(choice: CarrierChoice): readonly CarrierName[] {
  return (["rabbitmq", "redis"] as const).filter((name) => !choice[name]);
}
