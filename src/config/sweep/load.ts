// Reads a sweep, of a file or of an object: its axes, its cells, and the config of each cell, which is merged and checked as any config is.
import { dirname, extname, resolve } from 'node:path';

import { isPlain } from '../../check.ts';
import { findMistakes, type Mistake, type Path } from '../../registry/index.ts';
import type { Look } from '../experiment.ts';
import { LiveValues } from '../live-values.ts';
import { checkTree } from '../load.ts';
import type { LoadConfigOptions, LoadedConfig } from '../load.ts';
import { requireFile, TreeReader, withNetworks } from '../read-tree.ts';
import { shown } from '../run-script.ts';
import {
  ConfigError,
  dictNode,
  mergeTrees,
  nodeAt,
  originOf,
  placeOf,
  showPath,
  toPlain,
  treeOf,
} from '../tree/index.ts';
import type { DictNode, TreeNode } from '../tree/index.ts';
import { axesOf, cellFolder, cellsOf, isPicked, maxCells, pickedOf, seedAxis, strange } from './axes.ts';
import type { CellValues, Picked, SweepAxis } from './axes.ts';
import { sweepSchema } from './schema.ts';
import type { CheckedSweep } from './schema.ts';

/** The cells that something is for; undefined: all, and but none. */
export interface Limits {
  readonly only: Picked | undefined;
  readonly except: Picked | undefined;
}

/** A teacher that the sweep trains. */
export interface TeacherPlan extends Limits {
  /** `''` where it is the only one. */
  readonly name: string;
  /** Where its config stands in the sweep. */
  readonly place: Path;
  /** Where the path of its weights goes; undefined: wherever a teacher is. */
  readonly at: readonly string[] | undefined;
}

/** The teacher cache that cells share. */
export interface CachePlan extends Limits {
  /** Augmentations of each image; undefined: each epoch has its own. */
  readonly views: number | undefined;
}

/** What a cell's config has in place of what it says; without a value it is taken away. */
export interface ConfigChange {
  readonly path: Path;
  readonly value?: unknown;
  /** What of the config, as it was before all changes, `value` holds at a key. */
  readonly holding?: { readonly key: string; readonly from: Path };
}

/** A cell of a sweep: one run. */
export interface SweepCell {
  readonly values: CellValues;
  /** In the folder of the sweep; it names the cell. */
  readonly folder: string;
}

/** A sweep that was read. */
export class LoadedSweep {
  /** The file's path; `''` for an object. */
  readonly path: string;
  /** What messages call it. */
  readonly name: string;
  readonly value: CheckedSweep;
  readonly axes: readonly SweepAxis[];
  /** In the order in which they are trained. */
  readonly cells: readonly SweepCell[];
  readonly teachers: readonly TeacherPlan[];
  /** Undefined where no cache is shared. */
  readonly cache: CachePlan | undefined;
  readonly #source: Source;
  readonly #options: LoadConfigOptions;
  readonly #bases = new Map<string, Promise<DictNode>>();

  constructor(source: Source, parts: SweepParts, options: LoadConfigOptions) {
    this.#source = source;
    this.#options = options;
    this.path = source.path;
    this.name = source.name;
    this.value = parts.value;
    this.axes = parts.axes;
    this.cells = parts.cells;
    this.teachers = parts.teachers;
    this.cache = parts.cache;
  }

  /** The merged tree of a cell, as a plain value without what is no data: what changes may go by. */
  async plain(cell: SweepCell): Promise<Readonly<Record<string, unknown>>> {
    return toPlain(await this.#tree(cell)) as Record<string, unknown>;
  }

  /**
   * The config of a cell.
   * @param look for more mistakes. Default: for none
   * @throws {ConfigError} with all that is wrong with it.
   */
  async load(cell: SweepCell, changes: readonly ConfigChange[], look?: Look): Promise<LoadedConfig> {
    return this.#checked(`${this.name}: ${cell.folder}`, changed(await this.#tree(cell), changes), look);
  }

  /** The config of what trains a teacher. @throws {ConfigError} with all that is wrong with it. */
  async loadTeacher({ name, place }: TeacherPlan, look?: Look): Promise<LoadedConfig> {
    const called = name === '' ? 'teacher' : `teachers.${name}`;
    return this.#checked(`${this.name}: ${called}`, await this.#config(place), look);
  }

  #checked(name: string, tree: DictNode, look: Look | undefined): Promise<LoadedConfig> {
    const { live, own, folder } = this.#source;
    return checkTree({ name, own, path: '', folder }, { tree, live }, { ...this.#options, look });
  }

  /** What stands at a place: a whole config, or the path of one. */
  #config(place: Path): Promise<DictNode> {
    const key = showPath(place);
    const { tree, reader, folder, path } = this.#source;
    const from = path === '' ? resolve(folder, 'sweep') : path;
    const node = nodeAt(tree, place);
    let found = this.#bases.get(key);
    if (found === undefined) {
      found =
        node?.kind === 'str'
          ? reader.readNamed(node.value, { from, place: key })
          : reader.overBases(node as DictNode, from);
      this.#bases.set(key, found);
    }
    return found;
  }

  async #tree({ values }: SweepCell): Promise<DictNode> {
    const { tree } = this.#source;
    const picked = this.axes.flatMap((axis) => {
      const point = axis.points.find(({ text }) => text === values[axis.name]);
      return point === undefined ? [] : [{ axis, point }];
    });
    const whole = picked.find(({ point }) => point.kind === 'config');
    let merged = await this.#config(whole?.point.place ?? ['base']);
    const common = nodeAt(tree, ['patch']);
    if (common !== undefined) merged = laidOver(merged, common as DictNode);
    for (const { axis, point } of picked) {
      const node = nodeAt(tree, point.place)!;
      if (point.kind === 'patch') merged = laidOver(merged, node as DictNode);
      if (point.kind === 'stages') merged = laidOver(merged, dictNode([['stages', node]], node.origin));
      if (point.kind !== 'value') continue;
      for (const at of axis.at) {
        const place = at.split('.');
        this.#requirePlace(merged, place, { axis, values });
        merged = mergeTrees(merged, chain(place, node), { listKeys: true });
      }
    }
    return merged;
  }

  /** @throws {ConfigError} where a value would stand in something that is not there. */
  #requirePlace(tree: DictNode, place: readonly string[], { axis, values }: { axis: SweepAxis; values: CellValues }) {
    for (let end = 1; end < place.length; end++) {
      const around = nodeAt(tree, place.slice(0, end));
      if (around !== undefined && ['dict', 'list', 'tuple'].includes(around.kind)) continue;
      const path = place.slice(0, end).join('.');
      const shown = cellFolder(Object.fromEntries(Object.entries(values).filter(([name]) => name !== seedAxis)));
      const message = `axes.${axis.name}: the config of ${shown || 'the cell'} has no "${path}" for ${place.join('.')}`;
      const help = 'for an axis of some cells only: { at, values, only: { method: [...] } }';
      throw this.#source.mistakes([{ path: ['axes', axis.name], text: `${message}\n  help: ${help}` }]);
    }
  }
}

/** A patch over a tree. Stages are merged over the whole later on: a list of them replaces those that are there. */
function laidOver(tree: DictNode, patch: DictNode): DictNode {
  const stages = patch.value.get('stages');
  const own = withNetworks(patch);
  if (stages?.kind !== 'list') return mergeTrees(tree, own, { listKeys: true });
  const rest = dictNode(
    [...own.value].filter(([key]) => key !== 'stages'),
    own.origin,
  );
  const whole = mergeTrees(tree, rest, { listKeys: true });
  return dictNode([...[...whole.value].filter(([key]) => key !== 'stages'), ['stages', stages]], whole.origin);
}

/** A value at a path, alone. */
function chain(place: Path, node: TreeNode): DictNode {
  return place
    .toReversed()
    .reduce<TreeNode>((inner, key) => dictNode([[String(key), inner]], node.origin), node) as DictNode;
}

function changed(tree: DictNode, changes: readonly ConfigChange[]): DictNode {
  return changes.reduce((whole, { path, holding, ...change }) => {
    const rest = without(whole, path) as DictNode;
    if (!('value' in change)) return rest;
    let node = treeOf(change.value, { file: '', line: 0, column: 0 });
    const held = holding && nodeAt(tree, holding.from);
    if (holding !== undefined && held !== undefined && node.kind === 'dict') {
      node = dictNode([...node.value, [holding.key, held]], node.origin);
    }
    return mergeTrees(rest, chain(path, node), { listKeys: true });
  }, tree);
}

/** The tree without what stands at a path. */
function without(node: TreeNode, [key, ...rest]: Path): TreeNode {
  if (key === undefined) return node;
  if (node.kind === 'list' || node.kind === 'tuple') {
    return { ...node, value: node.value.map((item, i) => (i === Number(key) ? without(item, rest) : item)) };
  }
  const child = node.kind === 'dict' ? node.value.get(String(key)) : undefined;
  if (node.kind !== 'dict' || child === undefined) return node;
  const value = new Map(node.value);
  if (rest.length === 0) value.delete(String(key));
  else value.set(String(key), without(child, rest));
  return { ...node, value };
}

interface SweepParts {
  value: CheckedSweep;
  axes: readonly SweepAxis[];
  cells: readonly SweepCell[];
  teachers: readonly TeacherPlan[];
  cache: CachePlan | undefined;
}

interface Source {
  name: string;
  /** How origins name it. */
  own: string;
  path: string;
  folder: string;
  tree: DictNode;
  reader: TreeReader;
  live: LiveValues;
  /** An error of what stands in the sweep. */
  mistakes: (all: readonly Mistake[]) => ConfigError;
}

/**
 * Reads a sweep: its form, its axes and its cells; their configs are read by {@link LoadedSweep.load}.
 * @param sweep a file (`.ts`, `.js`, `.json`, `.yaml`), or what `defineSweep` gives
 * @param folder where the relative paths of an object begin
 * @throws {ConfigError} with all mistakes at once; {RetortError} for a file that is not there or cannot be run.
 */
export async function loadSweep(
  sweep: unknown,
  { folder: from = '.', ...options }: LoadConfigOptions & { folder?: string | undefined } = {},
): Promise<LoadedSweep> {
  const live = new LiveValues();
  const { readPython, allowScripts } = options;
  const reader = new TreeReader({ live, readPython, allowScripts });
  const isFile = typeof sweep === 'string';
  const path = isFile ? resolve(sweep) : '';
  const name = isFile ? sweep : 'sweep';
  const folder = isFile ? dirname(path) : resolve(from);
  if (isFile) {
    requireFile(path, `sweep ${sweep}`);
    if (extname(path) === '.py') {
      throw new ConfigError(`${sweep}: a sweep is written in TypeScript, JSON or YAML; its base may be in Python`, []);
    }
  }
  const tree = isFile ? await reader.readAlone(path) : reader.treeOf({ value: sweep, name, folder });
  const own = isFile ? shown(path) : name;
  const mistakes = (all: readonly Mistake[]): ConfigError => listed(name, all, tree);
  const parts = partsOf(live.putBack(toPlain(tree)), mistakes);
  return new LoadedSweep({ name, own, path, folder, tree, reader, live, mistakes }, parts, options);
}

function partsOf(value: unknown, error: (all: readonly Mistake[]) => ConfigError): SweepParts {
  const found = findMistakes(sweepSchema, value);
  if (found.length > 0) throw error(found);
  const sweep = sweepSchema.parse(value);
  const mistakes: Mistake[] = [];
  const wrong = (path: Path, text: string): void => void mistakes.push({ path, text: `${showPath(path)}: ${text}` });
  const axes = axesOf(sweep, mistakes);
  const names = axes.map(({ name }) => name);
  const look = (path: Path, selection: Readonly<Record<string, unknown>> | undefined): void => {
    for (const text of strange(pickedOf(selection ?? {}), axes)) wrong(path, text);
  };
  for (const [i, one] of (sweep.except ?? []).entries()) look(['except', i], one);
  look(['baseline'], sweep.baseline);
  if (sweep.baseline !== undefined && seedAxis in sweep.baseline) {
    wrong(['baseline'], 'seeds are compared with the same seed: leave seed out');
  }
  const axisNames: [string, readonly string[]][] = [
    ['order', sweep.order ?? []],
    ['halving.over', sweep.halving?.over ?? []],
  ];
  for (const [path, list] of axisNames) {
    for (const name of list) {
      for (const text of strange({ [name]: [] }, axes)) wrong(path.split('.'), text);
    }
  }
  if (names.length === 0) wrong(['axes'], 'expected at least one axis, such as seed: [0, 1, 2]');
  const whole = axes.filter(({ points }) => points.some(({ kind }) => kind === 'config'));
  for (const { name } of whole.slice(1)) {
    wrong(['axes', name], `axis "${whole[0]!.name}" names whole configs already: a cell has one`);
  }
  const teachers = teachersOf(sweep);
  const limited: [Path, Limits][] = teachers.map((one) => [one.place.slice(0, -1), one]);
  const cache = cacheOf(sweep);
  if (cache !== undefined) limited.push([['cache'], cache]);
  for (const [place, { only, except }] of limited) {
    for (const [key, picked] of Object.entries({ only, except })) {
      for (const text of strange(picked ?? {}, axes)) wrong([...place, key], text);
    }
  }
  if (mistakes.length > 0) throw error(mistakes);
  const all = cellsOf(axes, sweep);
  if (all === undefined) wrong(['axes'], `they have more than ${maxCells} cells`);
  else if (all.length === 0) wrong(['except'], 'no cell is left');
  const cells = (all ?? []).map((values) => ({ values, folder: cellFolder(values) }));
  const based = (values: CellValues): boolean =>
    whole.some((axis) => axis.points.some(({ text, kind }) => kind === 'config' && text === values[axis.name]));
  if (sweep.base === undefined && cells.some(({ values }) => !based(values))) {
    wrong([], 'base: expected the path of a config, or a config, got nothing');
  }
  if (mistakes.length > 0) throw error(mistakes);
  return { value: sweep, axes, cells, teachers, cache };
}

function teachersOf({ teacher, teachers = {} }: CheckedSweep): TeacherPlan[] {
  const planned = (name: string, one: unknown, place: Path): TeacherPlan => {
    const beside = isPlain(one) && 'config' in one ? one : undefined;
    const { at } = (beside ?? {}) as { at?: string | string[] };
    return {
      name,
      place: beside === undefined ? place : [...place, 'config'],
      at: at === undefined ? undefined : [at].flat(),
      ...limitsOf(beside ?? {}),
    };
  };
  return [
    ...(teacher === undefined ? [] : [planned('', teacher, ['teacher'])]),
    ...Object.entries(teachers).map(([name, one]) => planned(name, one, ['teachers', name])),
  ];
}

function cacheOf({ cache }: CheckedSweep): CachePlan | undefined {
  if (cache === false) return undefined;
  const { views, ...limits } = cache === true ? {} : cache;
  return { views, ...limitsOf(limits) };
}

/** What stands beside a teacher or a cache, as texts. */
function limitsOf({ only, except }: { readonly only?: unknown; readonly except?: unknown }): Limits {
  return {
    only: only === undefined ? undefined : pickedOf(only as Record<string, unknown>),
    except: except === undefined ? undefined : pickedOf(except as Record<string, unknown>),
  };
}

/** Whether something is for a cell. */
export function isFor({ only, except }: Limits, { values }: Pick<SweepCell, 'values'>): boolean {
  return (only === undefined || isPicked(values, only)) && !(except !== undefined && isPicked(values, except));
}

function listed(name: string, mistakes: readonly Mistake[], tree: DictNode): ConfigError {
  const all = mistakes.map(({ path, text }) => {
    const { line, ...place } = placeOf(originOf(tree, path));
    const at = line === undefined ? {} : { ...place, line };
    const where = line === undefined ? '' : ` (${place.file}:${line}:${place.column})`;
    return { text: text.replace(/\n|$/, (end) => `${where}${end}`), message: text, path: showPath(path), ...at };
  });
  const lines = all.map(({ text }) => text.replaceAll('\n', '\n    ')).join('\n    ');
  return new ConfigError(
    `${name}:\n    ${lines}`,
    all.map(({ text: _text, ...mistake }) => mistake),
  );
}
