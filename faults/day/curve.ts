// The backlog over the day, drawn as an SVG.
import type { Kill } from "./killer.ts";
import type { Sample } from "./watch.ts";

const size = { width: 860, height: 320 } as const;
const frame = { left: 90, right: 20, top: 36, bottom: 44 } as const;
const pointsMax = 400;
const tickSteps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600];
const ticksMax = 10;

export function backlogOf({ accepted, effects }: Sample): number {
  return Math.max(0, accepted - effects);
}

export function drawCurve(samples: readonly Sample[], kills: readonly Kill[], title: string): string {
  const msMax = Math.max(1, samples.at(-1)?.atMs ?? 1);
  const most = roundUp(Math.max(1, ...samples.map(backlogOf)));
  const [innerWidth, innerHeight] = [size.width - frame.left - frame.right, size.height - frame.top - frame.bottom];
  const x = (ms: number): string => (frame.left + (innerWidth * ms) / msMax).toFixed(1);
  const y = (count: number): string => (frame.top + innerHeight * (1 - count / most)).toFixed(1);
  const every = Math.max(1, Math.ceil(samples.length / pointsMax));
  const line = samples.filter((_, index) => index % every === 0 || index === samples.length - 1);
  const points = line.map((sample) => `${x(sample.atMs)},${y(backlogOf(sample))}`).join(" ");
  const [floor, roof] = [frame.top + innerHeight, frame.top];
  const stepS = tickSteps.find((step) => msMax / 1_000 / step <= ticksMax) ?? msMax / 1_000;
  const times = Array.from({ length: Math.floor(msMax / 1_000 / stepS) + 1 }, (_, index) => index * stepS);
  const levels = [0, 0.25, 0.5, 0.75, 1].map((share) => share * most);
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
    `<text x="${frame.left + innerWidth / 2}" y="${size.height - 8}" text-anchor="middle">seconds; red: a process is killed</text>`,
    ...kills.map(({ atMs }) => `<path d="M${x(atMs)} ${floor}V${floor - 10}" stroke="#c22"/>`),
    `<polygon points="${frame.left},${floor} ${points} ${x(msMax)},${floor}" fill="#cfe0f5"/>`,
    `<polyline points="${points}" fill="none" stroke="#1f5fb0" stroke-width="1.5"/>`,
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
