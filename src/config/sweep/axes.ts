// The cells of a sweep: every combination of the values of its axes that makes sense, in the order in which they are trained.
import { isPlain } from '../../check.ts';
import { didYouMean } from '../../errors.ts';
import type { Mistake, Path } from '../../registry/index.ts';
import type { CheckedSweep } from './schema.ts';

/** The axis that cells are repeated with. */
export const seedAxis = 'seed';

/** A value of an axis. */
export interface AxisPoint {
  /** As folders, tables and selections have it. */
  readonly text: string;
  /** Where its value or patch stands in the sweep. */
  readonly place: Path;
  /** `'config'`: the path of a whole config. `'stages'`: a list of them. */
  readonly kind: 'value' | 'patch' | 'stages' | 'config';
}

/** The texts of values by axis. */
export type Picked = Readonly<Record<string, readonly string[]>>;

/** What a sweep varies. */
export interface SweepAxis {
  readonly name: string;
  readonly points: readonly AxisPoint[];
  /** Where values go. Empty for patches. */
  readonly at: readonly string[];
  readonly only: Picked | undefined;
  readonly except: Picked | undefined;
}

/** Which value a cell has on each axis that it has. */
export type CellValues = Readonly<Record<string, string>>;

/** Whether a cell has one of these values on every axis that is named. */
export function isPicked(values: CellValues, picked: Picked): boolean {
  return Object.entries(picked).every(([axis, texts]) => {
    const own = values[axis];
    return own !== undefined && texts.includes(own);
  });
}

/** A selection with texts for values. */
export function pickedOf(selection: Readonly<Record<string, unknown>>): Picked {
  return Object.fromEntries(
    Object.entries(selection).map(([axis, value]) => [axis, (Array.isArray(value) ? value : [value]).map(String)]),
  );
}

/** Words that an axis of options cannot be told by. */
const formWords = ['values', 'options'];
/** What a value may be called, as a part of a folder's name too. */
const usable = /^[\w+-][\w.+-]*$/;
/** What lies in the folder of a sweep besides its cells. */
const reserved = new Set(['teacher', 'teachers', 'cache', 'halving']);

/** The axes of a sweep. Their mistakes are added to `mistakes`. */
export function axesOf(sweep: CheckedSweep, mistakes: Mistake[]): SweepAxis[] {
  const axes: SweepAxis[] = [];
  for (const [name, axis] of Object.entries(sweep.axes)) {
    const path: Path = ['axes', name];
    const wrong = (text: string, ...inside: Path): void => {
      const place = [...path, ...inside];
      mistakes.push({ path: place, text: `${place.join('.')}: ${text}` });
    };
    if (!/^[A-Za-z]\w*$/.test(name)) wrong('expected a name of letters, digits and _ that begins with a letter');
    const points = pointsOf(axis, path);
    if (points.length === 0) wrong('expected at least one value');
    const texts = points.map(({ text }) => text);
    for (const [i, text] of texts.entries()) {
      if (!usable.test(text)) wrong(`"${text}" cannot name a folder: letters, digits, _ . + - can; name it by hand`);
      if (texts.indexOf(text) < i) wrong(`"${text}" is there twice`);
      if (name === 'method' && reserved.has(text)) wrong(`a method cannot be called "${text}"`);
    }
    if (name === seedAxis && points.some(({ kind }) => kind !== 'value')) wrong('expected a list of numbers');
    const limits: Readonly<Record<string, unknown>> = isPlain(axis) && !isOptions(axis) ? axis : {};
    const limit = (key: 'only' | 'except'): Picked | undefined => {
      const given = limits[key];
      if (!isPlain(given)) return undefined;
      const picked = pickedOf(given);
      for (const text of strange(picked, axes, 'it is not before this one')) wrong(text, key);
      return picked;
    };
    const at = points[0]?.kind === 'value' ? (limits['at'] ?? name) : [];
    axes.push({
      ...{ name, points, only: limit('only'), except: limit('except') },
      at: (Array.isArray(at) ? at : [at]) as string[],
    });
  }
  return axes;
}

/** Whether an axis is patches by name, with nothing beside them. */
function isOptions(axis: object): boolean {
  return !formWords.some((word) => Object.hasOwn(axis, word));
}

function pointsOf(axis: unknown, path: Path): AxisPoint[] {
  if (Array.isArray(axis)) return axis.map((value, i) => ({ text: String(value), place: [...path, i], kind: 'value' }));
  if (!isPlain(axis)) return [];
  const values = axis['values'];
  if (Array.isArray(values)) return pointsOf(values, [...path, 'values']);
  if (isPlain(values)) {
    return Object.keys(values).map((text) => ({ text, place: [...path, 'values', text], kind: 'value' }));
  }
  const [options, place] = isOptions(axis) ? [axis, path] : [axis['options'], [...path, 'options']];
  return Object.entries(options as Record<string, unknown>).map(([text, option]) => ({
    ...{ text, place: [...place, text] },
    kind: typeof option === 'string' ? 'config' : Array.isArray(option) ? 'stages' : 'patch',
  }));
}

/** What a selection names that there is not. */
export function strange(picked: Picked, axes: readonly SweepAxis[], why = ''): string[] {
  return Object.entries(picked).flatMap(([name, texts]) => {
    const axis = axes.find((one) => one.name === name);
    const names = axes.map((one) => one.name);
    if (axis === undefined) return [`unknown axis "${name}"${why && `: ${why}`}; ${didYouMean(name, names)}`];
    const known = axis.points.map(({ text }) => text);
    return texts
      .filter((text) => !known.includes(text))
      .map((text) => `${name} has no value "${text}"; ${didYouMean(text, known)}`);
  });
}

/** More cells are a mistake. */
export const maxCells = 10_000;

/** All cells, in order; undefined where there are too many. */
export function cellsOf(axes: readonly SweepAxis[], sweep: CheckedSweep): CellValues[] | undefined {
  let cells: CellValues[] = [{}];
  for (const { name, points, only, except } of axes) {
    cells = cells.flatMap((values) => {
      const applies = (only === undefined || isPicked(values, only)) && !(except && isPicked(values, except));
      return applies ? points.map(({ text }) => ({ ...values, [name]: text })) : [values];
    });
    if (cells.length > maxCells) return undefined;
  }
  const left = sweep.except?.map(pickedOf) ?? [];
  const first = sweep.order ?? [seedAxis];
  const order = [
    ...first.flatMap((name) => axes.filter((axis) => axis.name === name)),
    ...axes.filter((axis) => !first.includes(axis.name)),
  ];
  const places = (values: CellValues): number[] =>
    order.map(({ name, points }) => points.findIndex(({ text }) => text === values[name]));
  return cells
    .filter((values) => !left.some((one) => isPicked(values, one)))
    .map((values) => ({ values, at: places(values) }))
    .toSorted((a, b) => a.at.map((place, i) => place - b.at[i]!).find((difference) => difference !== 0) ?? 0)
    .map(({ values }) => values);
}

/** The folder of a cell in that of the sweep: `kd/tau=4/seed-0`. */
export function cellFolder(values: CellValues): string {
  const parts = Object.entries(values).filter(([axis]) => axis !== seedAxis);
  const seed = values[seedAxis];
  return [
    ...parts.map(([axis, text]) => (axis === 'method' ? text : `${axis}=${text}`)),
    ...(seed === undefined ? [] : [`seed-${seed}`]),
  ].join('/');
}
