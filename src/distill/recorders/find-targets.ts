// Finds modules and parameters by path or pattern, under every name they have, and by reference; says which path was meant where
// there is none.
import { nearest, RetortError } from '../../errors.ts';
import { hasNamedValues } from '../../nn/index.ts';
import type { Module, Parameter } from '../../nn/index.ts';

/**
 * The modules of a path (`''` is the model itself) or pattern, each once, in the model's order.
 * @throws {RetortError} when nothing is found, which names `asker`, the path and the nearest ones.
 */
export function findModules(model: Module | undefined, source: string | Module, asker: string): Module[] {
  if (typeof source !== 'string') {
    if (model === undefined || model.modules().includes(source)) return [source];
    throw foreign(asker, source.constructor.name, model);
  }
  if (model === undefined) throw withoutModel(asker);
  const exact = isPattern(source) ? undefined : model.getModule(source);
  if (exact !== undefined) return [exact];
  const named = [...model.namedModules({ removeDuplicate: false })].filter(([name]) => name !== '');
  return select(named, source, asker, model);
}

/** The parameters of a path or pattern: see {@link findModules}. */
export function findParameters(model: Module | undefined, source: string | Parameter, asker: string): Parameter[] {
  if (typeof source !== 'string') {
    if (model === undefined || model.parameters().includes(source)) return [source];
    throw foreign(asker, 'parameter', model);
  }
  if (model === undefined) throw withoutModel(asker);
  return select([...model.namedParameters({ removeDuplicate: false })], source, asker, model);
}

function select<T>(named: readonly [string, T][], source: string, asker: string, model: Module): T[] {
  const matches = isPattern(source) ? pathMatcher(source) : (name: string): boolean => name === source;
  const found = new Set(named.filter(([name]) => matches(name)).map(([, value]) => value));
  if (found.size > 0) return [...found];
  const what = isPattern(source) ? `"${source}" matches nothing in` : `"${source}" is not in`;
  throw new RetortError(`${asker}: ${what} ${model.constructor.name}`, {
    code: 'unknown-name',
    help: hasNamedValues(model)
      ? 'it is an ONNX file: values in it are recorded by their names there, with OnnxOutputs (`retort inspect FILE` lists them)'
      : nearestPath(
          source,
          named.map(([name]) => name),
        ),
  });
}

function withoutModel(asker: string): RetortError {
  return new RetortError(`${asker}.initialize: model: expected the model that has the source, got nothing`, {
    code: 'invalid-state',
    help: 'call initialize(model)',
  });
}

function foreign(asker: string, what: string, model: Module): RetortError {
  return new RetortError(`${asker}: the ${what} given as source is not in this ${model.constructor.name}`, {
    code: 'mismatch',
    help: 'a reference means this one object: for several models, or a copy, name it by its path',
  });
}

/** Patterns of paths: `*` stands for anything within one part, `**` for any number of parts. */
function isPattern(path: string): boolean {
  return path.includes('*');
}

/** Whether a path matches: `backbone.layer*.*.conv2`, `**.bn1`, `backbone.**` (all below it). */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const parts = pattern.split('.');
  const expression = parts.map((part, i) => {
    if (part === '**') return i === parts.length - 1 ? '(?:[^.]+\\.)+' : '(?:[^.]+\\.)*';
    const literal = part.split('*').map((text) => text.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&'));
    return `${literal.join('[^.]*')}\\.`;
  });
  const compiled = new RegExp(`^${expression.join('')}$`);
  return (path) => compiled.test(`${path}.`);
}

/** `did you mean "backbone.layer4.1.conv2"?`, or what there is below the part of the path that is right. */
export function nearestPath(path: string, names: readonly string[]): string {
  const meant = suggestions(path, names).slice(0, 3);
  if (meant.length > 0) return `did you mean ${meant.map((name) => `"${name}"`).join(' or ')}?`;
  const children = childrenOf(names);
  let right = '';
  for (const part of path.split('.')) {
    if (children.get(right)?.has(part) !== true) break;
    right = join(right, part);
  }
  const parts = [...(children.get(right) ?? [])];
  if (parts.length === 0) return right === '' ? 'there are none' : `there is nothing below "${right}"`;
  const shown = parts
    .slice(0, 12)
    .map((part) => `"${part}"`)
    .join(', ');
  return `${right === '' ? 'there are' : `below "${right}" there are`}: ${shown}${parts.length > 12 ? ', ...' : ''}`;
}

function suggestions(path: string, names: readonly string[]): string[] {
  const known = new Set(names);
  // The right end of a longer path (`backbone.` was left out), then a misspelled part or several, each under its right parent.
  const ends = names.filter((name) => name.endsWith(`.${path}`));
  const children = childrenOf(names);
  const repaired = repair('', path.split('.'), children).filter((name) => known.has(name));
  const near = [...new Set([...ends, ...repaired])];
  if (near.length > 0) return near;
  // Where the parent is right, letters of the whole path say nothing: they agree with its other children.
  const dot = path.lastIndexOf('.');
  const whole = children.has(path.slice(0, Math.max(0, dot))) ? [] : nearest(path, names);
  if (whole.length > 0) return whole;
  // The right last part elsewhere, first where most of the path agrees.
  const last = path.slice(dot + 1);
  return names
    .filter((name) => name === last || name.endsWith(`.${last}`))
    .sort((a, b) => agreement(b, path) - agreement(a, path));
}

/** Every path that is `parts` with some of them replaced by a near sibling; nearest first. */
function repair(
  parent: string,
  parts: readonly string[],
  children: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const [part, ...rest] = parts;
  if (part === undefined) return [parent];
  const siblings = children.get(parent);
  if (siblings === undefined) return [];
  const meant = siblings.has(part) ? [part] : nearest(part, siblings);
  return meant.flatMap((name) => repair(join(parent, name), rest, children));
}

/** The parts below each path. */
function childrenOf(names: readonly string[]): Map<string, Set<string>> {
  const children = new Map<string, Set<string>>();
  for (const name of names) {
    let parent = '';
    for (const part of name.split('.')) {
      const parts = children.get(parent) ?? new Set<string>();
      children.set(parent, parts.add(part));
      parent = join(parent, part);
    }
  }
  return children;
}

/** How many parts two paths share at their beginning. */
function agreement(a: string, b: string): number {
  const [left, right] = [a.split('.'), b.split('.')];
  let i = 0;
  while (i < left.length && left[i] === right[i]) i++;
  return i;
}

function join(parent: string, part: string): string {
  return parent === '' ? part : `${parent}.${part}`;
}
