// One run of a plan as an SVG, in three panels: arrivals and service, backlog, wait. It follows a light or dark page.
import type { Sample } from "./simulate.ts";
import { seriesOf, type Point, type Series } from "./series.ts";

const width = 860;
const frame = { left: 96, right: 24, top: 56, panel: 120, gap: 44, bottom: 40 } as const;
const innerWidth = width - frame.left - frame.right;
const hourMs = 3_600_000;
const ticksMax = 12;
const tickHours = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168, 336, 720];

interface Panel {
  readonly heading: string;
  readonly lines: ReadonlyArray<{ readonly name: string; readonly points: readonly Point[] }>;
}

export function drawPlan(samples: readonly Sample[], title: string): string {
  const series = seriesOf(samples, innerWidth / 2);
  const panels = panelsOf(series);
  const height = frame.top + panels.length * (frame.panel + frame.gap) + frame.bottom - frame.gap + 16;
  const hours = Math.max(...series.backlog.map(({ atMs }) => atMs)) / hourMs;
  const drawn = panels.map((panel, index) => drawPanel(panel, frame.top + index * (frame.panel + frame.gap), hours));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">`,
    `<style>${style}</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="8"/>`,
    `<text class="title" x="24" y="28">${escapeXml(title)}</text>`,
    ...drawn,
    `<text x="${frame.left + innerWidth / 2}" y="${height - 8}" text-anchor="middle">hours since the start</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function panelsOf({ arrivals, service, backlog, waitMs }: Series): readonly Panel[] {
  const waitHours = waitMs.map(({ atMs, value }) => ({ atMs, value: value / hourMs }));
  return [
    {
      heading: "Arrivals (grey) and service (blue), requests an hour",
      lines: [
        { name: "arrivals", points: arrivals },
        { name: "service", points: service },
      ],
    },
    { heading: "Backlog, requests", lines: [{ name: "backlog", points: backlog }] },
    { heading: "Wait of those that arrive, hours", lines: [{ name: "wait", points: waitHours }] },
  ];
}

function drawPanel({ heading, lines }: Panel, top: number, hours: number): string {
  const most = Math.max(...lines.flatMap(({ points }) => points.map(({ value }) => value))) || 1;
  const floor = top + frame.panel;
  const x = (atMs: number) => (frame.left + (innerWidth * atMs) / (hours * hourMs)).toFixed(1);
  const y = (value: number) => (floor - (frame.panel * value) / most).toFixed(1);
  const step = tickHours.find((candidate) => hours / candidate <= ticksMax) ?? hours;
  const ticks = Array.from({ length: Math.floor(hours / step) + 1 }, (_, index) => index * step);
  return [
    `<text class="heading" x="${frame.left}" y="${top - 8}">${heading}</text>`,
    ...[0, 0.5, 1].map((share) => levelOf(share * most, y(share * most))),
    ...ticks.map((hour) => `<text x="${x(hour * hourMs)}" y="${floor + 16}" text-anchor="middle">${hour}</text>`),
    ...lines.map(({ name, points }) => {
      const path = points.map(({ atMs, value }) => `${x(atMs)},${y(value)}`).join(" ");
      return `<polyline class="${name}" points="${path}"/>`;
    }),
  ].join("\n");
}

function levelOf(value: number, y: string): string {
  const text = value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 0 });
  return `<path class="level" d="M${frame.left} ${y}h${innerWidth}"/><text x="${frame.left - 8}" y="${Number(y) + 4}" text-anchor="end">${text}</text>`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 18px; font-weight: 600; }
.heading { font-weight: 600; }
.page { fill: #ffffff; }
.level { stroke: #d0d7de; fill: none; }
polyline { fill: none; stroke-width: 2; stroke: #0969da; }
.arrivals { stroke: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .page { fill: #0d1117; }
  .level { stroke: #30363d; }
  polyline { stroke: #4493f8; }
  .arrivals { stroke: #8b949e; }
}
`;
