import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Reading } from "../api/types";
import { clock, hourMinute } from "../format/time";
import { inReadingOrder, metricName, number, unit } from "../format/value";
import { language, t } from "../i18n";
import { type Series, seriesOf } from "./series";

const HEIGHT = 190;
const COLOURS = ["--d-1", "--d-2", "--act", "--p4"];

/** One small chart for each unit, with a sentence that says the same. */
export function Chart({ readings, deviceClass }: { readings: Reading[]; deviceClass: string }) {
  const all = seriesOf(readings, inReadingOrder(deviceClass));
  if (all.length === 0) return <p class="c3 pad">{t("device.chart.none")}</p>;
  return (
    <div class="charts">
      {all.slice(0, 3).map((series) => (
        <One key={series.unit + series.metrics.join()} series={series} deviceClass={deviceClass} />
      ))}
    </div>
  );
}

function One({ series, deviceClass }: { series: Series; deviceClass: string }) {
  const place = useRef<HTMLDivElement>(null);
  const [dark, setDark] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setDark(media.matches);
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  useEffect(() => {
    const box = place.current;
    if (!box) return undefined;
    const plot = new uPlot(options(series, box.clientWidth), data(series), box);
    const resize = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
    resize.observe(box);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [series.times.length, series.times.at(-1), language.value, dark, series.metrics.join()]);
  return (
    <figure class="chart">
      <figcaption>
        {series.metrics.map((metric, index) => (
          <span key={metric} class={`key k${index}`}>
            {metricName(deviceClass, metric)}
          </span>
        ))}
        <span class="c3">{unit(series.unit)}</span>
      </figcaption>
      <div ref={place} role="img" aria-label={series.metrics.map((metric, index) => sentence(series, metric, index, deviceClass)).join(" ")} />
    </figure>
  );
}

function sentence(series: Series, metric: string, index: number, deviceClass: string): string {
  const numbers = (series.good[index] ?? []).filter((value) => value !== null);
  if (numbers.length === 0) return "";
  const time = (seconds: number | undefined) => clock(new Date((seconds ?? 0) * 1000).toISOString());
  return t("device.chart.label", {
    metric: metricName(deviceClass, metric),
    from: time(series.times[0]),
    to: time(series.times.at(-1)),
    n: numbers.length,
    min: number(Math.min(...numbers)),
    max: number(Math.max(...numbers)),
  });
}

function data(series: Series): uPlot.AlignedData {
  return [series.times, ...series.good, ...series.excluded] as uPlot.AlignedData;
}

function options(series: Series, width: number): uPlot.Options {
  const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const font = `12px ${token("--font")}`;
  const axis = { stroke: token("--ink-3"), font, grid: { stroke: token("--line"), width: 1 }, ticks: { show: false } };
  const label = (seconds: number, from: number, to: number) => {
    const at = new Date(seconds * 1000).toISOString();
    return to - from > 2 * 86_400 ? dayMonth(at) : hourMinute(at);
  };
  return {
    width,
    height: HEIGHT,
    // Ticks fall on full hours of the hospital, wherever the board hangs.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Asia/Shanghai"),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_, min, max) => padded(min, max) } },
    axes: [
      { ...axis, size: 32, grid: { show: false }, values: (u, ticks) => ticks.map((tick) => label(tick, u.scales.x?.min ?? 0, u.scales.x?.max ?? 0)) },
      { ...axis, size: 48, values: (_, ticks) => ticks.map((tick) => number(tick)) },
    ],
    series: [
      {},
      ...series.metrics.map((_, index) => ({
        stroke: token(COLOURS[index] ?? "--d-1"),
        width: 1.5,
        spanGaps: false,
        points: { show: series.times.length < 400, size: 5, fill: token(COLOURS[index] ?? "--d-1") },
      })),
      ...series.metrics.map(() => ({
        stroke: token("--d-unk-line"),
        paths: () => null,
        points: { show: crosses(token("--d-unk-line")) },
      })),
    ],
  };
}

function dayMonth(iso: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Shanghai", day: "2-digit", month: "2-digit" })
    .format(new Date(iso))
    .split("/")
    .reverse()
    .join("-");
}

/** Room above and below, also when all numbers are equal. */
function padded(min: number, max: number): [number, number] {
  const room = (max - min) * 0.1 || Math.max(1, Math.abs(max) * 0.05);
  return [min - room, max + room];
}

/** Numbers that do not count are drawn as crosses and never joined. */
function crosses(colour: string): uPlot.Series.Points.Show {
  return (u, index) => {
    const size = 4 * devicePixelRatio;
    u.ctx.save();
    u.ctx.strokeStyle = colour;
    u.ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const [at, value] of (u.data[index] ?? []).entries()) {
      if (value === null || value === undefined) continue;
      const x = u.valToPos(u.data[0][at] ?? 0, "x", true);
      const y = u.valToPos(value, "y", true);
      u.ctx.beginPath();
      u.ctx.moveTo(x - size, y - size);
      u.ctx.lineTo(x + size, y + size);
      u.ctx.moveTo(x - size, y + size);
      u.ctx.lineTo(x + size, y - size);
      u.ctx.stroke();
    }
    u.ctx.restore();
    return false;
  };
}
