// From series of runs to the lines of charts: one for each run, or one for all seeds of a group, with the least and the most as a band.
import type { RunEntry, Series, StageEntry } from '../src/dashboard/api.ts';
import type { Line } from './chart.tsx';
import { styleOf } from './format.ts';

/** A stage that was chosen, with its run. */
export interface Chosen {
  run: RunEntry;
  stage: StageEntry;
}

/** What is drawn as one: a run, or the seeds of a group. */
export interface Bundle {
  label: string;
  members: readonly Chosen[];
  rank: number;
}

export const labelOf = ({ run, stage }: Chosen): string => (stage.name === '' ? run.name : `${run.name}/${stage.name}`);

/** Runs as they are, or those of other seeds together. */
export function bundlesOf(chosen: readonly Chosen[], together: boolean): Bundle[] {
  if (!together) return chosen.map((one, rank) => ({ label: labelOf(one), members: [one], rank }));
  const groups = new Map<string, Chosen[]>();
  for (const one of chosen) {
    const key = `${one.run.group}/${one.stage.name}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((members, rank) => {
    const [first] = members;
    const label = members.length === 1 ? labelOf(first!) : `${labelOf(first!)} (${members.length} seeds)`;
    return { label, members, rank };
  });
}

type AllSeries = Readonly<Record<string, Readonly<Record<string, Series>>>>;

/** The lines of one name, such as `losses.loss`; `suffix` and `dash` tell networks apart that share a chart. */
export function linesOf(
  series: AllSeries,
  name: string,
  {
    bundles,
    dark,
    suffix = '',
    dash,
  }: { bundles: readonly Bundle[]; dark: boolean; suffix?: string; dash?: readonly number[] },
): Line[] {
  return bundles.flatMap(({ label, members, rank }): Line[] => {
    const found = members.flatMap(({ stage }) => series[stage.id]?.[name] ?? []);
    if (found.length === 0) return [];
    const style = styleOf(rank, dark);
    const line = { label: `${label}${suffix}`, ...style, ...(dash === undefined ? {} : { dash }) };
    return [found.length === 1 ? { ...line, ...alone(found[0]!) } : { ...line, ...averaged(found) }];
  });
}

const alone = ({ mean, min, max }: Series): Pick<Line, 'values' | 'low' | 'high'> => ({
  values: mean,
  ...(min === undefined || max === undefined ? {} : { low: min, high: max }),
});

/** The mean of several at each point, from the least to the most of them; a point that one lacks is of the others. */
function averaged(all: readonly Series[]): Pick<Line, 'values' | 'low' | 'high'> {
  const length = Math.max(...all.map(({ mean }) => mean.length));
  const each = (part: 'mean' | 'min' | 'max', of: (values: readonly number[]) => number): (number | null)[] =>
    Array.from({ length }, (_, i) => {
      const values = all.flatMap((one) => (one[part] ?? one.mean)[i] ?? []);
      return values.length === 0 ? null : of(values);
    });
  return {
    values: each('mean', (values) => values.reduce((sum, value) => sum + value, 0) / values.length),
    low: each('min', (values) => Math.min(...values)),
    high: each('max', (values) => Math.max(...values)),
  };
}
