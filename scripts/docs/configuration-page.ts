import { readFileSync } from "node:fs";
import { parseSync, Visitor } from "oxc-parser";
import { readGateway, readUp } from "../../packages/sluice/src/config/read-settings.ts";
import type { SluiceConfig } from "../../packages/sluice/src/config/config.ts";
import { messageOf } from "../../packages/sluice/src/core/errors.ts";
import { pageHead, table } from "./markdown.ts";

const file = "packages/sluice/src/config/config.ts";
const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

interface Section {
  readonly title: string;
  readonly interface: string;
  /** A configuration with one field of the section set. */
  readonly withField: (field: string, value: unknown) => object;
}

const target = "http://127.0.0.1:9000";
const sections: readonly Section[] = [
  {
    title: "The file",
    interface: "SluiceConfig",
    withField: (field, value) => ({ queues: { orders: { target } }, [field]: value }),
  },
  {
    title: "A queue: `queues.<name>`",
    interface: "QueueConfig",
    withField: (field, value) => ({ queues: { orders: { target, [field]: value } } }),
  },
  {
    title: "Retries: `queues.<name>.retry`",
    interface: "RetryConfig",
    withField: (field, value) => ({ queues: { orders: { target, retry: { [field]: value } } } }),
  },
  {
    title: "Workers: `queues.<name>.scaling`",
    interface: "ScalingConfig",
    withField: (field, value) => ({ queues: { orders: { target, scaling: { [field]: value } } } }),
  },
  {
    title: "A cluster's servers: `cluster`",
    interface: "ClusterConfig",
    withField: (field, value) => ({ queues: { orders: { target } }, cluster: { ...servers, [field]: value } }),
  },
];

const servers = { databaseUrl: "postgres://host/sluice", amqpUrl: "amqp://host", redisUrl: "redis://host" };

export function configurationPage(): string {
  const fields = fieldsOf(source);
  const texts = sections.map((section) => {
    const rows = (fields.get(section.interface) ?? []).map(({ name, type, meaning }) => [
      `\`${name}\``,
      `\`${type}\``,
      meaning,
      ruleOf(section, name),
    ]);
    if (rows.length === 0) throw new Error(`${file} has no interface ${section.interface}`);
    return `## ${section.title}\n\n${table(["field", "type", "meaning and default", "rule"], rows)}\n`;
  });
  return `${pageHead("Configuration", file)}
\`sluice.config.ts\` is a module whose default export is a \`SluiceConfig\`; \`defineConfig\` of the package \`sluice\` checks its
types. Flags go before the environment, the environment before the file, the file before the defaults; the flags and their
variables are in [commands.md](commands.md). A setting that is unknown or breaks its rule ends the start with exit code 78 and
an error \`bad-config\`, which names the setting, the rule and the value found.

Durations are written \`250ms\`, \`30s\`, \`5m\`, \`2h\` or \`7d\`, rates \`100000/h\`, \`600/m\` or \`50/s\`, sizes \`512KiB\`,
\`1MiB\` or \`10GiB\`. The rule of a field is what the reader of the configuration answers to a wrong value.

${texts.join("\n")}`;
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly meaning: string;
}

/** The fields of each interface, with the comment before them. */
function fieldsOf(text: string): ReadonlyMap<string, readonly Field[]> {
  const { program, comments } = parseSync(file, text);
  const meaningAt = (start: number): string => {
    const before = comments.findLast(({ end }) => end <= start);
    if (before === undefined || text.slice(before.end, start).trim() !== "") return "";
    return before.value.replace(/^\*/, "").replaceAll(/\n\s*\*/g, " ");
  };
  const found = new Map<string, readonly Field[]>();
  new Visitor({
    TSInterfaceDeclaration({ id, body }) {
      const fields = body.body.flatMap((member): Field[] => {
        if (member.type !== "TSPropertySignature" || member.key.type !== "Identifier") return [];
        const { typeAnnotation: annotation } = member;
        const type =
          annotation === null || annotation === undefined
            ? ""
            : text.slice(annotation.typeAnnotation.start, annotation.typeAnnotation.end);
        const meaning = meaningAt(member.start);
        return [{ name: member.key.name, type: type.replace(/^Readonly<(Record<.+>)>$/, "$1"), meaning }];
      });
      found.set(id.name, fields);
    },
  }).visit(program);
  return found;
}

/** Asks the readers: a value that is wrong for every field is answered with the field's rule. */
function ruleOf(section: Section, field: string): string {
  const wrongValue = "?";
  const config = section.withField(field, wrongValue) as SluiceConfig;
  const read = section.interface === "ClusterConfig" ? readGateway : readUp;
  try {
    read({ file: config, overrides: {}, env: {} });
    return "";
  } catch (error) {
    return messageOf(error)
      .replace(/^(?:queues\.orders\.|cluster\.)?[\w.]+:? (?=\S)/, "")
      .replace(/^orders /, "")
      .replace(/,? got .*$/, "");
  }
}
