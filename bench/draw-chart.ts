// Intake and life of all peers as horizontal bars, in SVG that follows the reader's light or dark page.
import { sayMachine } from "./machine.ts";
import { mediansOf } from "./medians.ts";
import { peerLabels } from "./peers/label.ts";
import { peerNames } from "./peers/peer.ts";
import type { PeerName } from "./peers/peer.ts";
import type { Results } from "./results.ts";
import type { ScenarioName } from "./scenarios/scenario.ts";

const width = 760;
const margin = 24;
const labelWidth = 190;
const valueWidth = 70;
const barHeight = 20;
const rowHeight = 28;
const headingHeight = 44;
const titleHeight = 56;
const noteHeight = 18;
const noteCharactersMax = 108; // of 11 px, in a wide font
const barWidthMax = width - 2 * margin - labelWidth - valueWidth;

interface Panel {
  readonly scenario: ScenarioName;
  readonly heading: string;
}

const panels: readonly Panel[] = [
  { scenario: "intake", heading: "Intake: requests stored on disk and answered with 202, a second" },
  { scenario: "life", heading: "Life: from POST to stored result, requests a second" },
];

interface Bar {
  readonly peer: PeerName;
  readonly perSecond: number;
}

/** The medians of the run's rounds. A panel that the run did not measure is left out. */
export function drawChart(results: Results): string {
  const drawn = panels
    .map(({ scenario, heading }) => ({ heading, bars: barsOf(scenario, results) }))
    .filter(({ bars }) => bars.length > 0);
  if (drawn.length === 0) throw new Error("neither intake nor life was measured: there is nothing to draw");
  let y = titleHeight;
  const parts = drawn.map(({ heading, bars }) => {
    const part = drawPanel({ heading, bars, y });
    y += headingHeight + bars.length * rowHeight;
    return part;
  });
  const notes = notesOf(results).flatMap(wrap);
  const height = y + 36 + notes.length * noteHeight;
  const title = "Sluice beside its peers";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${title}</title>
<desc id="description">${escapeXml(describe(drawn))}</desc>
<style>${style}</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
<text class="title" x="${margin}" y="38">${title}</text>
${parts.join("\n")}
${notes
  .map((line, index) => `<text class="note" x="${margin}" y="${y + 30 + index * noteHeight}">${escapeXml(line)}</text>`)
  .join("\n")}
</svg>
`;
}

function barsOf(scenario: ScenarioName, { measurements }: Results): readonly Bar[] {
  const figures = mediansOf(scenario, measurements);
  return peerNames
    .flatMap((peer) => {
      const perSecond = figures[peer]?.perSecond;
      return perSecond === undefined ? [] : [{ peer, perSecond }];
    })
    .toSorted((a, b) => b.perSecond - a.perSecond);
}

function drawPanel({ heading, bars, y }: { heading: string; bars: readonly Bar[]; y: number }): string {
  const fastest = Math.max(...bars.map(({ perSecond }) => perSecond));
  const rows = bars.map(({ peer, perSecond }, index) => {
    const top = y + headingHeight + index * rowHeight;
    const barWidth = Math.max(1, Math.round((perSecond / fastest) * barWidthMax));
    const left = margin + labelWidth;
    const middle = top + barHeight / 2 + 4.5;
    return [
      `<text class="label" x="${left - 10}" y="${middle}">${escapeXml(peerLabels[peer])}</text>`,
      `<rect class="${kindOf(peer)}" x="${left}" y="${top}" width="${barWidth}" height="${barHeight}" rx="3"/>`,
      `<text class="value" x="${left + barWidth + 8}" y="${middle}">${sayRate(perSecond)}</text>`,
    ].join("\n");
  });
  return [`<text class="heading" x="${margin}" y="${y + 26}">${escapeXml(heading)}</text>`, ...rows].join("\n");
}

function kindOf(peer: PeerName): "ours" | "ceiling" | "peer" {
  if (peer === "sluice" || peer === "cluster" || peer === "cluster-postgres") return "ours";
  return peer === "bare" ? "ceiling" : "peer";
}

function describe(drawn: readonly { readonly heading: string; readonly bars: readonly Bar[] }[]): string {
  const said = drawn.map(({ heading, bars }) => {
    const rates = bars.map(({ peer, perSecond }) => `${peerLabels[peer]} ${sayRate(perSecond)}`);
    return `${heading}: ${rates.join(", ")}.`;
  });
  return said.join(" ");
}

function notesOf({ at, machine, rounds, settings }: Results): readonly string[] {
  const load = `${settings.connections} connections, bodies of 512 bytes, ${settings.seconds} s`;
  const many = rounds === 1 ? "one round" : `medians of ${rounds} rounds in turns`;
  return [
    `${at.slice(0, 10)}: ${load}, ${many}.`,
    "Load generator and servers share one machine. bare node:http stores nothing.",
    sayMachine(machine),
  ];
}

function wrap(text: string): readonly string[] {
  if (text.length <= noteCharactersMax) return [text];
  const end = text.lastIndexOf(" ", noteCharactersMax);
  if (end <= 0) return [text];
  return [text.slice(0, end), ...wrap(text.slice(end + 1))];
}

function sayRate(perSecond: number): string {
  return Math.round(perSecond).toLocaleString("en-US");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const style = `
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.page { fill: #ffffff; }
.title { font-size: 20px; font-weight: 600; }
.heading { font-size: 14px; font-weight: 600; }
.label { text-anchor: end; }
.value { font-variant-numeric: tabular-nums; }
.note { font-size: 11px; fill: #59636e; }
.ours { fill: #0969da; }
.peer { fill: #afb8c1; }
.ceiling { fill: none; stroke: #8c959f; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .page { fill: #0d1117; }
  .note { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .peer { fill: #57606a; }
  .ceiling { stroke: #8b949e; }
}
`;
