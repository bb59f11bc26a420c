// A JSON Schema written as a type, for people.

export interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
}

export function shapeOf(schema: Schema, indent = ""): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf !== undefined) return schema.anyOf.map((one) => shapeOf(one, indent)).join(" | ");
  if (schema.type === "array") return `${shapeOf(schema.items ?? {}, indent)}[]`;
  if (schema.type === "object") return objectShape(schema, indent);
  if (schema.format === "date-time") return "time";
  return schema.type ?? "unknown";
}

function objectShape({ properties = {}, required = [] }: Schema, indent: string): string {
  const within = `${indent}  `;
  const lines = Object.entries(properties).map(([name, schema]) => {
    const mark = required.includes(name) ? "" : "?";
    const notes = notesOf(schema);
    return `${within}${name}${mark}: ${shapeOf(schema, within)};${notes === "" ? "" : ` // ${notes}`}`;
  });
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent}}`;
}

function notesOf({ description, minimum, maximum, default: fallback, type }: Schema): string {
  const notes: string[] = [];
  if (description !== undefined) notes.push(description);
  if (type === "integer" && minimum !== undefined && maximum !== undefined) notes.push(`${minimum} to ${maximum}`);
  if (fallback !== undefined) notes.push(`default ${JSON.stringify(fallback)}`);
  return notes.join("; ");
}
