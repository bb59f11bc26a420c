import { fenced, pageHead } from "./markdown.ts";
import { commandsOf, helpText } from "./help-text.ts";

export async function commandsPage(): Promise<string> {
  const sections = await sectionsOf([]);
  return `${pageHead("Commands", "the commands' own --help")}
${sections.join("\n")}`;
}

/** A command, and those below it. */
async function sectionsOf(words: readonly string[]): Promise<readonly string[]> {
  const help = await helpText(words);
  const name = ["sluice", ...words].join(" ");
  const below: string[] = [];
  for (const command of commandsOf(help)) below.push(...(await sectionsOf([...words, command])));
  return [`## ${name}\n\n${fenced("text", help)}\n`, ...below];
}
