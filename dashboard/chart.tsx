// A chart of lines over a shared x: raw values faint behind smoothed ones, bands for several seeds or for what a point stands for. Drag or
// keys zoom; the crosshair is shared by all charts; a summary and a table say the same in words.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { shownNumber, shownTime } from './format.ts';
import type { Axis, Span } from './source.ts';

type Values = readonly (number | null)[];

/** A line of a chart. */
export interface Line {
  label: string;
  color: string;
  /** Lengths of dash and gap; colors repeat, dashes tell them apart. */
  dash: readonly number[];
  values: Values;
  /** The least and the most at each point. */
  low?: Values;
  high?: Values;
}

interface ChartProps {
  title: string;
  x: readonly number[];
  lines: readonly Line[];
  axis: Axis;
  /** 0 to 0.99: how much of the line before goes into the next point. */
  smoothing: number;
  logarithmic: boolean;
  span: Span | undefined;
  onSpan: (span: Span | undefined) => void;
}

/** Exponential running means, as if each line had always been; gaps stay. */
function smoothed(values: Values, factor: number): Values {
  if (factor === 0) return values;
  let [mean, weight] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    mean = factor * mean + (1 - factor) * value;
    weight = factor * weight + (1 - factor);
    return mean / weight;
  });
}

const sync = uPlot.sync('retort');
const height = 220;

export function Chart(props: ChartProps) {
  const { title, x, lines, axis, smoothing, logarithmic, span, onSpan } = props;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(onSpan);
  latest.current = onSpan;
  const shown = lines.filter(({ label }) => !hidden.has(label));
  const { data, series, bands } = useMemo(() => prepared(x, shown, smoothing), [x, lines, hidden, smoothing]);
  const shape = JSON.stringify([
    shown.map(({ label, color, low }) => [label, color, low !== undefined]),
    smoothing > 0,
    logarithmic,
    axis,
  ]);

  useEffect(() => {
    const root = place.current!;
    const style = getComputedStyle(root);
    const [ink, grid] = [style.getPropertyValue('--soft-ink'), style.getPropertyValue('--grid')];
    const axes = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid }, font: '12px system-ui' };
    const made = new uPlot(
      {
        width: root.clientWidth,
        height,
        series: [{}, ...series],
        bands,
        legend: { show: false },
        cursor: {
          sync: { key: sync.key, setSeries: false },
          drag: { x: true, y: false, setScale: false },
          focus: { prox: 24 },
        },
        scales: {
          x: { time: false },
          // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- a const enum, which is not there at run time
          y: { distr: logarithmic ? 3 : 1 },
        },
        axes: [
          {
            ...axes,
            space: 60,
            values: (_plot, splits) => splits.map((at) => (axis === 'time' ? shownTime(at) : shownNumber(at))),
          },
          {
            ...axes,
            size: 58,
            values: (_plot, splits) => splits.map((value) => (value === null ? '' : shownNumber(value))),
          },
        ],
        hooks: {
          setSelect: [
            (chart) => {
              const { left, width } = chart.select;
              if (width < 4) return;
              latest.current({ from: chart.posToVal(left, 'x'), to: chart.posToVal(left + width, 'x') });
              chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            },
          ],
        },
      },
      data,
      root,
    );
    plot.current = made;
    sync.sub(made);
    const observer = new ResizeObserver(() => made.setSize({ width: root.clientWidth, height }));
    observer.observe(root);
    return () => {
      observer.disconnect();
      sync.unsub(made);
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => {
    if (span !== undefined) plot.current?.setScale('x', { min: span.from, max: span.to });
  }, [span, data]);

  const keys = (event: KeyboardEvent): void => {
    const [first, last] = [span?.from ?? x[0] ?? 0, span?.to ?? x.at(-1) ?? 1];
    const width = last - first;
    const moves: Record<string, Span | undefined> = {
      '+': { from: first + width / 4, to: last - width / 4 },
      '-': { from: first - width / 2, to: last + width / 2 },
      ArrowLeft: { from: first - width / 4, to: last - width / 4 },
      ArrowRight: { from: first + width / 4, to: last + width / 4 },
      '0': undefined,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    onSpan(moves[event.key]);
  };
  const toggle = (label: string): void => {
    const next = new Set(hidden);
    if (!next.delete(label)) next.add(label);
    setHidden(next);
  };

  return (
    <section class="chart" aria-label={title}>
      <h3>{title}</h3>
      <div
        class="plot"
        ref={place}
        tabIndex={0}
        role="img"
        aria-label={`${title}. ${summaryOf(lines)} Keys: plus and minus zoom, arrows move, 0 shows all.`}
        onKeyDown={keys}
        onDblClick={() => onSpan(undefined)}
      />
      <ul class="legend">
        {lines.map((line) => (
          <li key={line.label}>
            <button type="button" aria-pressed={!hidden.has(line.label)} onClick={() => toggle(line.label)}>
              <Swatch {...line} />
              {line.label} <b>{shownNumber(lastOf(line.values))}</b>
            </button>
          </li>
        ))}
      </ul>
      <details>
        <summary>Table</summary>
        <ValuesTable x={x} lines={lines} axis={axis} title={title} />
      </details>
    </section>
  );
}

/** A piece of the line as the chart draws it. */
function Swatch({ color, dash }: Pick<Line, 'color' | 'dash'>) {
  return (
    <svg width="22" height="8" aria-hidden="true">
      <line x1="1" x2="21" y1="4" y2="4" stroke={color} stroke-width="2.5" stroke-dasharray={dash.join(' ')} />
    </svg>
  );
}

const lastOf = (values: Values): number | null => values.findLast((value) => value !== null) ?? null;

function summaryOf(lines: readonly Line[]): string {
  return lines
    .map(({ label, values }) => {
      const known = values.filter((value) => value !== null);
      if (known.length === 0) return `${label}: nothing measured.`;
      const [low, high] = [Math.min(...known), Math.max(...known)].map(shownNumber);
      return `${label}: from ${shownNumber(known[0])} to ${shownNumber(known.at(-1))}, between ${low} and ${high}.`;
    })
    .join(' ');
}

const tableRows = 30;

/** At most so many rows, evenly chosen, the last one always. */
function ValuesTable({ x, lines, axis, title }: Pick<ChartProps, 'x' | 'lines' | 'axis' | 'title'>) {
  const every = Math.max(1, Math.ceil(x.length / tableRows));
  const rows = x.map((_, i) => i).filter((i) => i % every === 0 || i === x.length - 1);
  return (
    <div class="scroll">
      <table>
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">{axis}</th>
            {lines.map(({ label }) => (
              <th scope="col" key={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((i) => (
            <tr key={i}>
              <th scope="row">{axis === 'time' ? shownTime(x[i]!) : shownNumber(x[i])}</th>
              {lines.map(({ label, values }) => (
                <td key={label}>{shownNumber(values[i] ?? null)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Prepared {
  data: uPlot.AlignedData;
  series: uPlot.Series[];
  bands: uPlot.Band[];
}

/** Every line's columns: its band, its raw values where they are smoothed, itself. */
function prepared(x: readonly number[], lines: readonly Line[], smoothing: number): Prepared {
  const columns: Values[] = [];
  const series: uPlot.Series[] = [];
  const bands: uPlot.Band[] = [];
  const add = (values: Values, one: uPlot.Series): number => {
    columns.push(values);
    return series.push({ spanGaps: true, points: { show: false }, ...one });
  };
  for (const { color, dash, values, low, high, label } of lines) {
    if (low !== undefined && high !== undefined) {
      const edges = { stroke: 'transparent', width: 0 };
      bands.push({ series: [add(high, edges), add(low, edges)], fill: `${color}26` });
    }
    if (smoothing > 0) add(values, { stroke: `${color}55`, width: 1 });
    const few = values.filter((value) => value !== null).length < 30;
    add(smoothed(values, smoothing), {
      ...{ label, stroke: color, width: 2, dash: [...dash] },
      points: { show: few, size: 5, fill: color },
    });
  }
  return { data: [x, ...columns] as unknown as uPlot.AlignedData, series, bands };
}
