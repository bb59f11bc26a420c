import { SluiceError } from "../../core/errors.ts";

const defaultPorts: Readonly<Record<string, string>> = {
  "amqp:": "5672",
  "amqps:": "5671",
  "redis:": "6379",
  "rediss:": "6379",
};

/** `host:port` of a server's URL: what may be shown, as the URL may hold a password. */
export function addressOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) throw new SluiceError("bad-config", "a server's URL does not parse");
  return `${parsed.hostname}:${parsed.port || (defaultPorts[parsed.protocol] ?? "")}`;
}
