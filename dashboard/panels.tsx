// Panels of curves, configs, times and maps. Each says what would fill it where there is nothing to show.
import { useState } from 'preact/hooks';

import type { StepPart } from '../src/dashboard/api.ts';
import { Chart } from './chart.tsx';
import type { Line } from './chart.tsx';
import { shownNumber } from './format.ts';
import { bundlesOf, linesOf } from './lines.ts';
import { useAnswer, useDetails, useOne, useSeries } from './panel-data.tsx';
import type { PanelProps } from './panel-data.tsx';
import type { Axis, Span } from './source.ts';

const titles: Readonly<Record<string, string>> = {
  lr: 'learning rate',
  gradNorm: 'gradient norm',
  imagesPerSecond: 'images per second',
  memory: 'bytes in tensors',
};
const networkDashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

export function Curves(props: PanelProps) {
  const { chosen, dark } = props;
  const [axis, setAxis] = useState<Axis>('step');
  const [smoothing, setSmoothing] = useState(0.6);
  const [logarithmic, setLogarithmic] = useState(false);
  const [together, setTogether] = useState(true);
  const [span, setSpan] = useState<Span>();
  const found = useSeries(props, axis, span);
  if (found === undefined) return <p class="empty">Reading …</p>;
  const bundles = bundlesOf(chosen, together);
  const shared = { axis, logarithmic, span, onSpan: setSpan };
  const { steps, evaluations } = found;
  const metrics = byMetric(Object.values(evaluations.series).flatMap((one) => Object.keys(one)));
  const names = [...new Set(Object.values(steps.series).flatMap((one) => Object.keys(one)))].toSorted(
    (a, b) => rankOf(a) - rankOf(b),
  );
  return (
    <>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        <label>
          Along{' '}
          <select
            value={axis}
            onChange={(event) => {
              setAxis(event.currentTarget.value as Axis);
              setSpan(undefined);
            }}
          >
            <option>step</option>
            <option>epoch</option>
            <option>time</option>
          </select>
        </label>
        <label>
          Smoothing{' '}
          <input
            type="range"
            min="0"
            max="0.98"
            step="0.02"
            value={smoothing}
            onInput={(event) => setSmoothing(Number(event.currentTarget.value))}
          />{' '}
          <output>{smoothing.toFixed(2)}</output>
        </label>
        <label>
          <input type="checkbox" checked={logarithmic} onChange={() => setLogarithmic(!logarithmic)} /> logarithmic
        </label>
        <label>
          <input type="checkbox" checked={together} onChange={() => setTogether(!together)} /> seeds as a band
        </label>
        <button type="button" disabled={span === undefined} onClick={() => setSpan(undefined)}>
          Show all
        </button>
      </form>
      <div class="charts">
        {[...metrics].map(([metric, paths]) => {
          const lines = paths.flatMap((path, i): Line[] => {
            const network = path.slice(0, path.indexOf('.'));
            const suffix = paths.length === 1 ? '' : ` · ${network}`;
            return linesOf(evaluations.series, path, {
              bundles,
              dark,
              suffix,
              dash: networkDashes[i % networkDashes.length]!,
            });
          });
          return (
            <Chart
              key={metric}
              title={metric}
              x={evaluations.x}
              lines={lines}
              smoothing={0}
              {...shared}
              logarithmic={false}
            />
          );
        })}
        {names.map((name) => (
          <Chart
            key={name}
            title={titles[name] ?? name.replace(/^losses\./, 'loss: ').replace('loss: loss', 'loss')}
            x={steps.x}
            lines={linesOf(steps.series, name, { bundles, dark })}
            smoothing={name === 'lr' ? 0 : smoothing}
            {...shared}
          />
        ))}
      </div>
    </>
  );
}

/** Paths such as `student.accuracy` by the metric's name: student and teacher share a chart. */
function byMetric(paths: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of new Set(paths)) {
    const [network, metric] = [path.slice(0, path.indexOf('.')), path.slice(path.indexOf('.') + 1)];
    const title = network === 'agreement' ? `student and teacher: ${metric}` : metric;
    found.set(title, [...(found.get(title) ?? []), path]);
  }
  return found;
}

/** The order of charts: the loss, its terms, rates, what the machine does. */
function rankOf(name: string): number {
  if (name === 'losses.loss') return 0;
  if (name.startsWith('losses.')) return 1;
  return 2 + ['lr', 'gradNorm', 'imagesPerSecond', 'memory'].findIndex((one) => name.startsWith(one));
}

export function Compare({ source, chosen, changes }: PanelProps) {
  const ids = [...new Set(chosen.map(({ run }) => run.id))];
  const key = JSON.stringify([ids, ids.map((id) => changes.get(id) ?? 0)]);
  const found = useAnswer(ids.length > 1 ? () => source.comparison(ids) : undefined, key);
  if (ids.length < 2) return <p class="empty">Choose two runs or more to see where their configs differ.</p>;
  if (found === undefined) return <p class="empty">Reading …</p>;
  const { groups, differences, unknown } = found;
  const heads = groups.map(({ runs }) => (runs.length === 1 ? runs[0]! : `${runs[0]!} (${runs.length} seeds)`));
  const metrics = [...new Set(groups.flatMap((group) => Object.keys(group.metrics)))];
  return (
    <>
      <div class="scroll">
        <table>
          <caption>Where their configs differ</caption>
          <Head first="option" rest={heads} />
          <tbody>
            {Object.entries(differences).map(([path, values]) => (
              <tr key={path}>
                <th scope="row">{path}</th>
                {values.map((value, i) => (
                  <td key={heads[i]}>
                    {value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value)}
                  </td>
                ))}
              </tr>
            ))}
            <tr>
              <th scope="row">seed</th>
              {groups.map(({ seeds }, i) => (
                <td key={heads[i]}>{seeds.map((seed) => seed ?? '–').join(', ')}</td>
              ))}
            </tr>
          </tbody>
        </table>
      </div>
      {unknown.length > 0 && <p class="problem">The config of {unknown.join(', ')} is not known.</p>}
      <div class="scroll">
        <table>
          <caption>Metrics of the last evaluation: mean ± standard deviation over seeds, and below the best</caption>
          <Head first="metric" rest={heads} />
          <tbody>
            {metrics.map((metric) => (
              <tr key={metric}>
                <th scope="row">{metric}</th>
                {groups.map((group, i) => {
                  const one = group.metrics[metric];
                  return (
                    <td key={heads[i]}>
                      {one === undefined ? '–' : spread(one.last)}
                      {one !== undefined && <small>best {spread(one.best)}</small>}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Head({ first, rest }: { first: string; rest: readonly string[] }) {
  return (
    <thead>
      <tr>
        <th scope="col">{first}</th>
        {rest.map((text) => (
          <th scope="col" key={text}>
            {text}
          </th>
        ))}
      </tr>
    </thead>
  );
}

const spread = ({ mean, std }: { mean: number; std?: number }): string =>
  std === undefined ? shownNumber(mean) : `${shownNumber(mean)} ± ${shownNumber(std)}`;

export function Time(props: PanelProps) {
  const { one, choice } = useOne(props.chosen);
  const profile = useDetails(props, one)?.profile;
  if (profile === undefined) {
    return (
      <>
        {choice}
        <p class="empty">
          <code>retort train --profile</code> measures where the time of a step goes.
        </p>
      </>
    );
  }
  const total = profile.parts.reduce((sum, { ms }) => sum + ms, 0);
  return (
    <>
      {choice}
      <p>
        {shownNumber(total)} ms a step, over the first {profile.steps} steps.
      </p>
      <div class="scroll">
        <table class="bars">
          <caption>Parts of a step</caption>
          <Head first="part" rest={['ms', 'share', '']} />
          <tbody>
            {profile.parts.flatMap((part) => [
              <PartRow part={part} total={total} key={part.name} />,
              ...part.parts
                .slice(0, 6)
                .map((inner) => <PartRow part={inner} total={total} inner key={`${part.name}/${inner.name}`} />),
            ])}
          </tbody>
        </table>
      </div>
    </>
  );
}

function PartRow({ part, total, inner = false }: { part: StepPart; total: number; inner?: boolean }) {
  const share = (100 * part.ms) / (total || 1);
  return (
    <tr class={inner ? 'inner' : ''}>
      <th scope="row">{part.name}</th>
      <td>{part.ms.toFixed(2)}</td>
      <td>{share.toFixed(1)}%</td>
      <td class="bar">
        <span style={{ width: `${Math.min(100, share)}%` }} />
      </td>
    </tr>
  );
}

export function Maps(props: PanelProps) {
  const { one, choice } = useOne(props.chosen);
  const [place, setPlace] = useState(1);
  const details = useDetails(props, one);
  const maps = details?.maps ?? [];
  if (maps.length === 0) {
    return (
      <>
        {choice}
        <p class="empty">
          The hook <code>VisualizationHook</code> in a config draws feature maps after each epoch.
        </p>
      </>
    );
  }
  const epochs = [...new Set(maps.flatMap(({ pictures }) => pictures.map(({ epoch }) => epoch)))].toSorted(
    (a, b) => a - b,
  );
  const at = epochs[Math.round(place * (epochs.length - 1))]!;
  return (
    <>
      {choice}
      {props.source.live && epochs.length > 1 && (
        <label class="choice">
          Epoch{' '}
          <input
            type="range"
            min="0"
            max="1"
            step={1 / (epochs.length - 1)}
            value={place}
            onInput={(event) => setPlace(Number(event.currentTarget.value))}
          />{' '}
          <output>{at}</output>
        </label>
      )}
      <div class="pictures maps">
        {maps.map(({ name, sample, pictures }) => {
          const picture = pictures.findLast(({ epoch }) => epoch <= at) ?? pictures[0]!;
          return (
            <figure key={`${name}/${sample}`}>
              <img
                src={props.source.picture(one!.stage.id, picture.file)}
                alt={`Map ${name} of sample ${sample} after epoch ${picture.epoch}`}
              />
              <figcaption>
                {name}, sample {sample}, epoch {picture.epoch}
              </figcaption>
            </figure>
          );
        })}
      </div>
    </>
  );
}

export function Config(props: PanelProps) {
  const { one, choice } = useOne(props.chosen);
  const details = useDetails(props, one);
  if (details === undefined) return <p class="empty">Reading …</p>;
  return (
    <>
      {choice}
      {details.config === undefined ? (
        <p class="empty">This run has no config beside it.</p>
      ) : (
        <pre tabIndex={0} aria-label="The merged config, each value with where it comes from">
          {details.config}
        </pre>
      )}
    </>
  );
}
