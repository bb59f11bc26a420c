/** Far more than anybody prefers: a longer header is not taken apart. */
const headerLengthMax = 1_024;

/**
 * The seconds of `wait=N` in a Prefer header (RFC 7240), bounded; undefined when it asks for no wait.
 * Malformed preferences are ignored, and of several the first counts.
 */
export function parsePreferWait(header: string | string[] | undefined, secondsMax: number): number | undefined {
  if (header === undefined || header.length > headerLengthMax) return undefined;
  for (const preference of splitOutsideQuotes(String(header))) {
    const [name = "", value = ""] = preference.split(";", 1).join("").split("=", 2);
    if (name.trim().toLowerCase() === "wait") return seconds(value.trim(), secondsMax);
  }
  return undefined;
}

function seconds(value: string, secondsMax: number): number | undefined {
  const match = /^(?:(\d+)|"(\d+)")$/.exec(value);
  return match ? Math.min(Number(match[1] ?? match[2]), secondsMax) : undefined;
}

function splitOutsideQuotes(text: string): readonly string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"|[^,"]|")+/g) ?? [];
}
