/** What has no shape: controls, except the line feed and the tab, what turns the order in which text is read, what nobody sees. */
const shapeless = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text from outside as a terminal may show it: what could steer the terminal, or mislead who reads, is spelled out as in JSON. */
export function visible(text: string): string {
  return text.replace(shapeless, (character) =>
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}
