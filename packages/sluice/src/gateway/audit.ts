// The routes that prove what is kept: the audit, the healing of what the broker lacks, the look-up of one receipt.
import type { Span } from "../core/order-audit.ts";
import type { AuditReport, Gap, OrderReport } from "../engine/audit.ts";
import { auditSeenBy, orderSeenBy } from "./audit-seen.ts";
import { discardBody } from "./body.ts";
import type { App, GatewayContext, OfRequest } from "./context.ts";
import { knownId } from "./read.ts";
import { timeText, timeTextOrNull } from "./time-text.ts";

export function addAuditRoutes(app: App, { engine, audit, auditOrder, activity }: GatewayContext): void {
  app.get("/v1/audit", async ({ viewer }) => {
    return viewOfAudit(auditSeenBy(viewer, await audit()));
  });

  app.get("/v1/audit/order", async ({ viewer }) => {
    return viewOfOrder(orderSeenBy(viewer, await auditOrder()));
  });

  app.post("/v1/audit/heal", async (request) => {
    discardBody(request.raw);
    const healed = (await engine.heal?.()) ?? 0;
    await activity.note(request, { what: "healed", about: "every queue", requests: healed });
    return { healed };
  });

  app.get<OfRequest>("/v1/audit/receipts/:id", async (request) => {
    const id = knownId(request.params.id);
    const { verdict, link } = await engine.prove(id);
    return { id, verdict, link: link ?? null };
  });
}

function viewOfAudit({ hours, findings, ...report }: AuditReport) {
  return {
    ...report,
    hours: hours.map(({ hourAt, ...hour }) => ({ ...hour, hour: timeText(hourAt) })),
    findings: findings.map(({ gap, ...finding }) => ({ ...finding, gap: gap === undefined ? null : viewOfGap(gap) })),
  };
}

function viewOfOrder({ inversions, ...report }: OrderReport) {
  const shown = inversions.map(({ first, second, ...of }) => ({
    ...of,
    first: viewOfSpan(first),
    second: viewOfSpan(second),
  }));
  return { ...report, inversions: shown };
}

function viewOfSpan({ id, startedAt, finishedAt }: Span) {
  return { id, startedAt: timeTextOrNull(startedAt), finishedAt: timeTextOrNull(finishedAt) };
}

function viewOfGap({ after, fromAt, toAt, ...gap }: Gap) {
  return { ...gap, after: after ?? null, from: timeText(fromAt), to: timeText(toAt) };
}
