// The slow service that the workers run, and its own log of each time it began.
import type { Handler } from "../../packages/sluice/src/worker/handler.ts";
import { Reject } from "../../packages/sluice/src/worker/handler.ts";
import { processOf } from "./process.ts";
import type { Course, Sending } from "./plan.ts";
import type { World } from "./world.ts";

export interface Body {
  readonly tag: number;
  readonly course: Course;
  readonly runMs: number;
}

export function bodyOf({ tag, course, runMs }: Sending): Buffer {
  return Buffer.from(JSON.stringify({ tag, course, runMs } satisfies Body));
}

export function serviceOf(world: World): Handler {
  return async (request, { attempt, sql }) => {
    const { tag, course, runMs } = request.json() as Body;
    const process = processOf();
    const starts = world.checks.began(request.id);
    world.note(process, () => `begins tag ${tag}, attempt ${attempt}, start ${starts}`);
    await new Promise((resolve) => setTimeout(resolve, runMs));
    switch (course.kind) {
      case "rejected":
        throw new Reject("as planned");
      case "kills":
        if (starts <= course.times) {
          world.faults.count("killed by a request");
          process.kill();
          await new Promise(() => undefined);
        }
        break;
      case "done":
        if (attempt <= course.failures) throw new Error("as planned");
        break;
      default:
        course satisfies never;
    }
    await sql?.query(`INSERT INTO effects ${tag}`);
    return { tag };
  };
}
