// The API's page, from the description that a running gateway gives of itself.
import { startSluice, temporaryFolder } from "@sluice/testing";
import { pageHead, fenced, table } from "./markdown.ts";
import { shapeOf, type Schema } from "./shape.ts";

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

interface Body {
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Body>>;
}

interface Description {
  readonly info: { readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const titles: Readonly<Record<string, string>> = {
  intake: "Intake",
  requests: "Requests",
  queues: "Queues",
  audit: "Audit",
  server: "Server",
};

export async function apiPage(): Promise<string> {
  const { info, paths } = await description();
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const tags = [...new Set(routes.flatMap(({ operation }) => operation.tags))].toSorted(
    (one, other) => Object.keys(titles).indexOf(one) - Object.keys(titles).indexOf(other),
  );
  const problem = routes.find(({ operation }) => operation.responses["default"])?.operation.responses["default"];
  const sections = tags.map((tag) => {
    const ofTag = routes.filter(({ operation }) => operation.tags.includes(tag));
    return `## ${titles[tag] ?? tag}\n\n${ofTag.map(routeText).join("\n")}`;
  });
  return `${pageHead("The HTTP API", "the description at /openapi.json")}
${info.description}

\`GET /openapi.json\` of a running server has all of this for programs, as OpenAPI 3.1. \`{id}\` is a request's id, a UUIDv7;
one that is malformed is answered as one that is unknown.

Every route may answer with a problem; its codes are in [errors.md](errors.md):

${shapeBlock(problem ?? {})}

${sections.join("\n")}`;
}

function routeText({ method, path, operation }: { method: string; path: string; operation: Operation }): string {
  const { summary, parameters = [], requestBody, responses } = operation;
  const parts = [`### ${method} ${path}`, `${summary}.`];
  const told = parameters.filter(({ in: place }) => place !== "path");
  if (told.length > 0)
    parts.push(
      table(
        ["parameter", "in", "type", "meaning"],
        told.map((one) => [
          `\`${one.name}\``,
          one.in,
          `\`${shapeOf(one.schema)}\``,
          one.description ?? one.schema.description ?? "",
        ]),
      ),
    );
  if (requestBody !== undefined) parts.push(`Body, ${bodyText(requestBody)}`);
  for (const [status, answer] of Object.entries(responses))
    if (status !== "default") parts.push(`${status}: ${answer.description ?? ""}, ${bodyText(answer)}`);
  return `${parts.join("\n\n")}\n`;
}

function bodyText(body: Body): string {
  const types = Object.keys(body.content ?? {}).map((type) => `\`${type}\``);
  if (types.length === 0) return "without a body.";
  const shape = shapeBlock(body);
  return shape === "" ? `${types.join(" or ")}.` : `${types.join(" or ")}:\n\n${shape}`;
}

/** Empty for bytes and for what has no shape. */
function shapeBlock({ content = {} }: Body): string {
  const [first] = Object.values(content);
  if (first === undefined || (first.schema.type !== "object" && first.schema.type !== "array")) return "";
  return fenced("ts", shapeOf(first.schema));
}

async function description(): Promise<Description> {
  await using folder = await temporaryFolder();
  const args = ["--queue", "orders", "--target", "http://127.0.0.1:9/", "--log-level", "silent"];
  await using server = await startSluice({ dataFolder: folder.path, args });
  const answer = await fetch(`${server.url}/openapi.json`);
  return (await answer.json()) as Description;
}
