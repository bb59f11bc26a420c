// The backlog over a day that really ran, drawn as an SVG, with the planner's beside it.
export interface BacklogPoint {
  readonly atMs: number;
  readonly backlog: number;
  /** By the planner; undefined draws none. */
  readonly planned?: number | undefined;
}

export interface BacklogDrawing {
  readonly title: string;
  readonly points: readonly BacklogPoint[];
  readonly kills: readonly { readonly atMs: number }[];
}

const size = { width: 860, height: 320 } as const;
const frame = { left: 90, right: 20, top: 36, bottom: 44 } as const;
const pointsMax = 400;
const tickSteps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600];
const ticksMax = 10;

export function drawBacklog({ title, points, kills }: BacklogDrawing): string {
  const msMax = Math.max(1, points.at(-1)?.atMs ?? 1);
  const highest = points.reduce((most, { backlog, planned = 0 }) => Math.max(most, backlog, planned), 1);
  const most = roundUp(highest);
  const [innerWidth, innerHeight] = [size.width - frame.left - frame.right, size.height - frame.top - frame.bottom];
  const x = (ms: number): string => (frame.left + (innerWidth * ms) / msMax).toFixed(1);
  const y = (count: number): string => (frame.top + innerHeight * (1 - count / most)).toFixed(1);
  const every = Math.max(1, Math.ceil(points.length / pointsMax));
  const drawn = points.filter((_, index) => index % every === 0 || index === points.length - 1);
  const measured = drawn.map(({ atMs, backlog }) => `${x(atMs)},${y(backlog)}`).join(" ");
  const planned = drawn.flatMap((point) =>
    point.planned === undefined ? [] : [`${x(point.atMs)},${y(point.planned)}`],
  );
  const [floor, roof] = [frame.top + innerHeight, frame.top];
  const stepS = tickSteps.find((step) => msMax / 1_000 / step <= ticksMax) ?? msMax / 1_000;
  const times = Array.from({ length: Math.floor(msMax / 1_000 / stepS) + 1 }, (_, index) => index * stepS);
  const levels = [0, 0.25, 0.5, 0.75, 1].map((share) => share * most);
  const legend = `seconds; red: a process is killed${planned.length > 0 ? "; dashed: by the planner" : ""}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${size.width}" height="${size.height}" fill="#fff"/>`,
    `<text x="${frame.left}" y="20" font-size="14">${title}</text>`,
    ...levels.flatMap((level) => [
      `<path d="M${frame.left} ${y(level)}H${size.width - frame.right}" stroke="#ddd"/>`,
      `<text x="${frame.left - 8}" y="${Number(y(level)) + 4}" text-anchor="end">${Math.round(level).toLocaleString("en")}</text>`,
    ]),
    ...times.map(
      (seconds) => `<text x="${x(seconds * 1_000)}" y="${floor + 18}" text-anchor="middle">${seconds}</text>`,
    ),
    `<text x="${frame.left + innerWidth / 2}" y="${size.height - 8}" text-anchor="middle">${legend}</text>`,
    ...kills.map(({ atMs }) => `<path d="M${x(atMs)} ${floor}V${floor - 10}" stroke="#c22"/>`),
    `<polygon points="${frame.left},${floor} ${measured} ${x(msMax)},${floor}" fill="#cfe0f5"/>`,
    `<polyline points="${measured}" fill="none" stroke="#1f5fb0" stroke-width="1.5"/>`,
    ...(planned.length > 0
      ? [
          `<polyline points="${planned.join(" ")}" fill="none" stroke="#c60" stroke-width="1.5" stroke-dasharray="5 4"/>`,
        ]
      : []),
    `<path d="M${frame.left} ${roof}V${floor}H${size.width - frame.right}" fill="none" stroke="#444"/>`,
    "</svg>",
    "",
  ].join("\n");
}

/** To two digits, as far as a level of the scale goes. */
function roundUp(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.ceil(value / (4 * unit)) * 4 * unit;
}
