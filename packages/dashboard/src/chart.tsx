// Curves over the last quarter of an hour.
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import type { Curve } from "./live.ts";
import { countWords, rateWords, shortCount, timeWords } from "./words.ts";

interface Line {
  readonly label: string;
  /** A custom property of the page. */
  readonly color: string;
  readonly values: readonly (number | null)[];
  readonly isFilled: boolean;
}

interface ChartProps {
  readonly label: string;
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  readonly heightPx: number;
}

interface QueueChartProps {
  readonly queue: string;
  readonly curve: Curve | undefined;
}

export function BacklogChart({ queue, curve, heightPx = 110 }: QueueChartProps & { readonly heightPx?: number }) {
  const values = curve?.backlog ?? [];
  const now = values.at(-1) ?? 0;
  const highest = Math.max(0, ...values.map((value) => value ?? 0));
  const label = `Backlog of ${queue} over the last quarter of an hour: ${countWords(now)} now, ${countWords(highest)} at most`;
  const lines = [{ label: "Backlog", color: "--accent", values, isFilled: true }];
  return <Chart label={label} at={curve?.at ?? []} lines={lines} heightPx={heightPx} />;
}

export function RatesChart({ queue, curve }: QueueChartProps) {
  const [accepted, finished] = [curve?.accepted ?? [], curve?.finished ?? []];
  const label = `Rates of ${queue}: ${rateWords(accepted.at(-1) ?? 0)} arriving, ${rateWords(finished.at(-1) ?? 0)} completing`;
  const lines = [
    { label: "Arriving", color: "--accent", values: accepted, isFilled: false },
    { label: "Completing", color: "--good", values: finished, isFilled: false },
  ];
  return <Chart label={label} at={curve?.at ?? []} lines={lines} heightPx={180} />;
}

function Chart({ label, at, lines, heightPx }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const latest = useRef({ at, lines });
  latest.current = { at, lines };

  useEffect(() => {
    const parent = place.current;
    if (parent === null) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      const size = { width: parent.clientWidth, height: heightPx };
      plot.current = new UPlot({ ...optionsOf(latest.current.lines), ...size }, dataOf(latest.current), parent);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: parent.clientWidth, height: heightPx }));
    resized.observe(parent);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
    };
  }, [heightPx]);
  useEffect(() => plot.current?.setData(dataOf({ at, lines })), [at]);

  return <div class="chart" style={{ height: `${heightPx}px` }} ref={place} role="img" aria-label={label} />;
}

function dataOf({ at, lines }: Pick<ChartProps, "at" | "lines">): UPlot.AlignedData {
  return [at.map((ms) => ms / 1_000), ...lines.map(({ values }) => [...values])];
}

function optionsOf(lines: readonly Line[]): Omit<UPlot.Options, "width" | "height"> {
  const styles = getComputedStyle(document.documentElement);
  const color = (name: string): string => styles.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--muted"),
    font: `11px ${styles.fontFamily}`,
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    padding: [6, 16, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: true, range: (_plot, least, most) => spanOf(least, most) },
      y: { range: (_plot, _least, most) => [0, roundUp(most)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        gap: 7,
        space: 70,
        values: (_plot, splits) => clockWords(splits),
      },
      { ...axis, size: 44, gap: 4, space: 34, incrs: steps, values: (_plot, splits) => splits.map(shortCount) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.5,
        points: { show: false },
        ...(line.isFilled ? { fill: `${color(line.color)}22` } : {}),
      })),
    ],
  };
}

/** Between the marks of an axis that counts. */
const steps = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((factor) => factor * 10 ** power)).flat();

/** The least that fits and has round fifths. */
function roundUp(most: number): number {
  if (!(most > 0)) return 5;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 1.5, 2, 3, 5, 7.5, 10].find((factor) => factor * power >= most * 1.05) ?? 15;
  return Math.max(5, step * power);
}

/** From the first sample on, but a minute at least: a page that was just opened has a curve, too. */
function spanOf(least: number | null, most: number | null): [number, number] {
  const until = most ?? Date.now() / 1_000;
  return [Math.min(least ?? until, until - 60), until];
}

/** Splits of less than a minute need their seconds. */
function clockWords([first = 0, second = first + 60, ...rest]: readonly number[]): string[] {
  const length = second - first < 60 ? 8 : 5;
  return [first, second, ...rest].map((seconds) => timeWords(seconds * 1_000, seconds * 1_000).slice(0, length));
}
