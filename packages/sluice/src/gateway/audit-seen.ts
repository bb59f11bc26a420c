import type { AuditReport, OrderReport } from "../engine/audit.ts";
import type { Viewer } from "./access/viewer.ts";

/** The law holds for what is seen if nothing of it breaks the law. */
export function auditSeenBy(viewer: Viewer, report: AuditReport): AuditReport {
  if (viewer.queues === undefined) return report;
  const queues = report.queues.filter(({ queue }) => viewer.sees(queue));
  const hours = report.hours.filter(({ queue }) => viewer.sees(queue));
  const findings = report.findings.filter(({ queue }) => viewer.sees(queue));
  const holds = queues.every(({ missing }) => missing === 0) && findings.every(({ kind }) => kind === "stuck");
  return { holds, queues, hours, findings };
}

/** No order key of what is seen was inverted. */
export function orderSeenBy(viewer: Viewer, report: OrderReport): OrderReport {
  if (viewer.queues === undefined) return report;
  const queues = report.queues.filter(({ queue }) => viewer.sees(queue));
  const inversions = report.inversions.filter(({ queue }) => viewer.sees(queue));
  return { holds: queues.every((line) => line.inversions === 0), queues, inversions };
}
