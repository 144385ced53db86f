// What gains are over: which cells are compared with which.
import { seedAxis } from '../../config/index.ts';
import type { CellValues, LoadedSweep } from '../../config/index.ts';

/** Cells but for their seeds: what has a mean. */
export function groupKey(values: CellValues): string {
  return JSON.stringify(withoutSeed(values));
}

/** The values of a sweep's baseline; undefined where it has none. */
export function baselineValues({ value, axes }: LoadedSweep): CellValues | undefined {
  const { baseline } = value;
  if (baseline !== undefined) {
    return Object.fromEntries(Object.entries(baseline).map(([axis, one]) => [axis, String(one)]));
  }
  const method = axes.find(({ name }) => name === 'method');
  return method?.points.some(({ text }) => text === 'alone') === true ? { method: 'alone' } : undefined;
}

/** Whether a row is what another one is compared with: on axes that both have they are equal, but where the baseline has a value. */
export function isBaselineFor(candidate: CellValues, own: CellValues, wanted: CellValues): boolean {
  const fits = Object.entries(wanted).every(([axis, text]) => candidate[axis] === text);
  return fits && Object.entries(candidate).every(([axis, text]) => axis in wanted || (own[axis] ?? text) === text);
}

/** What is wrong with the baseline: nothing has its values, or several cells are as near to one. */
export function baselineMistakes(loaded: LoadedSweep): string[] {
  const wanted = baselineValues(loaded);
  if (wanted === undefined) return [];
  const groups = [...new Map(loaded.cells.map(({ values }) => [groupKey(values), withoutSeed(values)])).values()];
  const found = groups.filter((values) => isBaselineFor(values, values, wanted));
  if (found.length === 0) return [`baseline: no cell has ${shownValues(wanted)}`];
  for (const values of groups) {
    const [first, second] = groups.filter((one) => isBaselineFor(one, values, wanted));
    if (second === undefined) continue;
    return [
      `baseline: ${shownValues(values)} could be compared with ${shownValues(first!)} and with ${shownValues(second)}\n  help: name more axes in baseline`,
    ];
  }
  return [];
}

/** The values of a cell on all axes but the seed's. */
export const withoutSeed = (values: CellValues): CellValues =>
  Object.fromEntries(Object.entries(values).filter(([axis]) => axis !== seedAxis));

/** `method=kd tau=4` */
export const shownValues = (values: CellValues): string =>
  Object.entries(values)
    .map(([axis, text]) => `${axis}=${text}`)
    .join(' ');
