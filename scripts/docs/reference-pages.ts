import { apiPage } from "./api-page.ts";
import { commandsPage } from "./commands-page.ts";
import { configurationPage } from "./configuration-page.ts";
import { errorsPage } from "./errors-page.ts";
import { exitCodesPage } from "./exit-codes-page.ts";

export interface ReferencePage {
  readonly file: string;
  readonly text: string;
}

/** The pages of docs/reference that are made of code. */
export async function referencePages(): Promise<readonly ReferencePage[]> {
  return [
    { file: "api.md", text: await apiPage() },
    { file: "commands.md", text: await commandsPage() },
    { file: "configuration.md", text: configurationPage() },
    { file: "errors.md", text: errorsPage() },
    { file: "exit-codes.md", text: await exitCodesPage() },
  ];
}
