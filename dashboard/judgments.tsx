// Panels of what networks make of the validation data: agreement, confusion, and the images that two judge differently.
import { useState } from 'preact/hooks';

import type { StageDetails } from '../src/dashboard/api.ts';
import { Chart } from './chart.tsx';
import { shownNumber, shownPercent } from './format.ts';
import { bundlesOf, linesOf } from './lines.ts';
import { useDetails, useOne, useSeries } from './panel-data.tsx';
import type { PanelProps } from './panel-data.tsx';
import type { Span } from './source.ts';

type Predictions = NonNullable<StageDetails['predictions']>;

function Missing({ details, children }: { details: StageDetails | undefined; children: preact.ComponentChildren }) {
  if (details === undefined) return <p class="empty">Reading …</p>;
  return (
    <>
      {details.problems.map((text) => (
        <p class="problem" role="alert" key={text}>
          {text}
        </p>
      ))}
      <p class="empty">{children}</p>
    </>
  );
}

const howToFill = (
  <>
    Runs of classifiers have this after their first evaluation; <code>retort test RUN --teacher --predictions</code>{' '}
    makes it for one that has not.
  </>
);

export function Agreement(props: PanelProps) {
  const { one, choice } = useOne(props.chosen);
  const details = useDetails(props, one);
  const [span, setSpan] = useState<Span>();
  const series = useSeries(props, 'epoch');
  const found = details?.predictions;
  const bundles = bundlesOf(props.chosen, true);
  const charts = ['agreement', 'kl', 'cka'].map((name) => ({
    name,
    lines:
      series === undefined
        ? []
        : linesOf(series.evaluations.series, `agreement.${name}`, { bundles, dark: props.dark }),
  }));
  const counts = found?.counts;
  return (
    <>
      {choice}
      {found === undefined || counts === undefined || found.pair === undefined ? (
        <Missing details={details}>
          Two networks are compared where a run evaluates a student and its teacher. {howToFill}
        </Missing>
      ) : (
        <>
          <dl class="numbers">
            <Number name="same first choice" value={shownPercent(found.agreement?.agreement)} />
            {found.agreement?.kl !== undefined && (
              <Number name="KL divergence" value={shownNumber(found.agreement.kl)} />
            )}
            {found.agreement?.cka !== undefined && <Number name="CKA" value={shownNumber(found.agreement.cka)} />}
          </dl>
          <Shares counts={counts} pair={found.pair} samples={found.samples} />
        </>
      )}
      {charts.some(({ lines }) => lines.length > 0) ? (
        <div class="charts">
          {charts
            .filter(({ lines }) => lines.length > 0)
            .map(({ name, lines }) => (
              <Chart
                key={name}
                title={{ agreement: 'same first choice, %', kl: 'KL divergence', cka: 'CKA' }[name]!}
                x={series!.evaluations.x}
                {...{ lines, span }}
                axis="epoch"
                smoothing={0}
                logarithmic={false}
                onSpan={setSpan}
              />
            ))}
        </div>
      ) : (
        <p class="empty">
          <code>agreement: true</code> in a config measures agreement, KL and CKA after each epoch.
        </p>
      )}
    </>
  );
}

function Number({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Who is right about how many images, as a bar and as a table. */
function Shares({
  counts,
  pair,
  samples,
}: {
  counts: NonNullable<Predictions['counts']>;
  pair: readonly [string, string];
  samples: number;
}) {
  const parts = [
    ['both right', counts.bothRight, 'right'],
    [`only ${pair[0]} right`, counts.onlyFirst, 'first'],
    [`only ${pair[1]} right`, counts.onlySecond, 'second'],
    ['both wrong, in the same way', counts.wrongSame, 'same'],
    ['both wrong, differently', counts.bothWrong - counts.wrongSame, 'wrong'],
  ] as const;
  return (
    <>
      <div class="shares" aria-hidden="true">
        {parts.map(([name, count, kind]) => (
          <span class={kind} key={name} style={{ flexGrow: count }} title={`${name}: ${count}`} />
        ))}
      </div>
      <div class="scroll">
        <table>
          <caption>Who is right, of {samples} images</caption>
          <tbody>
            {parts.map(([name, count, kind]) => (
              <tr key={name}>
                <th scope="row">
                  <span class={`key ${kind}`} aria-hidden="true" /> {name}
                </th>
                <td>{count}</td>
                <td>{shownPercent((100 * count) / samples)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

export function Confusion(props: PanelProps) {
  const { one, choice } = useOne(props.chosen);
  const details = useDetails(props, one);
  const [asked, setAsked] = useState<string>();
  const [shares, setShares] = useState(true);
  const found = details?.predictions;
  const name =
    found === undefined
      ? undefined
      : asked !== undefined && asked in found.networks
        ? asked
        : Object.keys(found.networks)[0];
  if (found === undefined || name === undefined) {
    return (
      <>
        {choice}
        <Missing details={details}>{howToFill}</Missing>
      </>
    );
  }
  const network = found.networks[name]!;
  const classes = network.perClass.map(({ label }) => label);
  return (
    <>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        {choice}
        <label>
          Network{' '}
          <select value={name} onChange={(event) => setAsked(event.currentTarget.value)}>
            {Object.keys(found.networks).map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        {network.confusion !== undefined && (
          <label>
            <input type="checkbox" checked={shares} onChange={() => setShares(!shares)} /> shares of each class
          </label>
        )}
      </form>
      <p>
        Accuracy {shownPercent(network.accuracy)}, calibration error {shownPercent(network.calibrationError)},{' '}
        {found.samples} images, after epoch {shownNumber(found.epoch)}.
      </p>
      {network.confusion === undefined ? (
        <p class="empty">There are too many classes for a matrix; these are confused most often.</p>
      ) : (
        <Matrix confusion={network.confusion} classes={classes} shares={shares} />
      )}
      <div class="columns">
        <div class="scroll">
          <table>
            <caption>Confused most often</caption>
            <thead>
              <tr>
                <th scope="col">is</th>
                <th scope="col">taken for</th>
                <th scope="col">images</th>
              </tr>
            </thead>
            <tbody>
              {network.confused.slice(0, 15).map(([is, taken, count]) => (
                <tr key={`${is}-${taken}`}>
                  <td>{classes[is] ?? is}</td>
                  <td>{classes[taken] ?? taken}</td>
                  <td>{count}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <div class="scroll">
          <table>
            <caption>By class</caption>
            <thead>
              <tr>
                {['class', 'images', 'recall', 'precision', 'F1'].map((text) => (
                  <th scope="col" key={text}>
                    {text}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {network.perClass.map(({ label, count, recall, precision, f1 }) => (
                <tr key={label}>
                  <th scope="row">{label}</th>
                  <td>{count}</td>
                  <td>{shownPercent(recall)}</td>
                  <td>{shownPercent(precision)}</td>
                  <td>{shownPercent(f1)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </>
  );
}

/** Rows are what images are, columns what they are taken for. */
function Matrix({
  confusion,
  classes,
  shares,
}: {
  confusion: readonly (readonly number[])[];
  classes: readonly string[];
  shares: boolean;
}) {
  const sums = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  const most = Math.max(...confusion.flat());
  return (
    <div class="scroll">
      <table class="matrix">
        <caption>Rows: what images are. Columns: what they are taken for.</caption>
        <thead>
          <tr>
            <td />
            {classes.map((label) => (
              <th scope="col" key={label}>
                <span>{label}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {confusion.map((row, is) => (
            <tr key={classes[is]}>
              <th scope="row">{classes[is]}</th>
              {row.map((count, taken) => {
                const share = count / (sums[is] || 1);
                const depth = shares ? share : count / (most || 1);
                return (
                  <td
                    key={classes[taken]}
                    class={is === taken ? 'right' : ''}
                    style={{ '--depth': `${Math.round(45 * Math.sqrt(depth))}%` }}
                    title={`${classes[is]} taken for ${classes[taken]}: ${count} (${shownPercent(100 * share)})`}
                  >
                    {count === 0 ? '' : shares ? (100 * share).toFixed(share < 0.0995 ? 1 : 0) : count}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const kinds = {
  all: 'all',
  first: 'only the first right',
  second: 'only the second right',
  neither: 'both wrong',
} as const;
type Kind = keyof typeof kinds;

export function Images(props: PanelProps) {
  const { one, choice } = useOne(props.chosen);
  const details = useDetails(props, one);
  const [kind, setKind] = useState<Kind>('all');
  const found = details?.predictions;
  if (found === undefined || found.pair === undefined) {
    return (
      <>
        {choice}
        <Missing details={details}>
          Two networks are compared where a run evaluates a student and its teacher. {howToFill}
        </Missing>
      </>
    );
  }
  const [first, second] = found.pair;
  const kindOf = (image: Predictions['differing'][number]): Kind =>
    image.first.class === image.label ? 'first' : image.second.class === image.label ? 'second' : 'neither';
  const shown = found.differing.filter((image) => kind === 'all' || kindOf(image) === kind);
  const named = (index: number): string => found.classes[index] ?? String(index);
  return (
    <>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        {choice}
        <label>
          Show{' '}
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
            {(Object.keys(kinds) as Kind[]).map((each) => (
              <option value={each} key={each}>
                {kinds[each].replace('the first', first).replace('the second', second)}
              </option>
            ))}
          </select>
        </label>
      </form>
      <p>
        Images that {first} and {second} take for different classes, those of which both are surest first.
      </p>
      {shown.length === 0 && <p class="empty">There are none.</p>}
      <div class="pictures">
        {shown.map((image) => (
          <figure key={image.index}>
            {image.file === null ? (
              <div class="none">no picture</div>
            ) : (
              <img
                src={props.source.picture(one!.stage.id, image.file)}
                alt={`Sample ${image.index}: ${named(image.label)}`}
              />
            )}
            <figcaption>
              <b>{named(image.label)}</b> <small>sample {image.index}</small>
              <Judged name={first} of={image.first} label={image.label} named={named} />
              <Judged name={second} of={image.second} label={image.label} named={named} />
            </figcaption>
          </figure>
        ))}
      </div>
    </>
  );
}

type Judgment = Predictions['differing'][number]['first'];

function Judged({
  name,
  of,
  label,
  named,
}: {
  name: string;
  of: Judgment;
  label: number;
  named: (index: number) => string;
}) {
  const right = of.class === label;
  return (
    <div class="judged">
      <span class={right ? 'yes' : 'no'}>
        {right ? '✓' : '✗'} {name}
      </span>
      {of.probabilities.map(([index, probability]) => (
        <span class="probability" key={index}>
          <span style={{ width: `${100 * (probability ?? 0)}%` }} aria-hidden="true" />
          {named(index)} {probability === null ? '–' : shownPercent(100 * probability)}
        </span>
      ))}
    </div>
  );
}
