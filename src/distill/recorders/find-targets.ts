// Finds modules and parameters by path or pattern, under every name they have, and by reference.
import { RetortError } from '../../errors.ts';
import type { Module, Parameter } from '../../nn/index.ts';
import { nearestPath } from './nearest-path.ts';
import { isPattern, pathMatcher } from './path-pattern.ts';

/**
 * The modules of a path (`''` is the model itself) or pattern, each once, in the model's order.
 * @throws {RetortError} when there is none, which names `asker`, the path and the nearest ones.
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
    help: nearestPath(
      source,
      named.map(([name]) => name),
    ),
  });
}

function withoutModel(asker: string): RetortError {
  return new RetortError(`${asker}.initialize: a model is needed to find the source in`, {
    help: 'call initialize(model)',
  });
}

function foreign(asker: string, what: string, model: Module): RetortError {
  return new RetortError(`${asker}: the ${what} given as source is not in this ${model.constructor.name}`, {
    help: 'a reference means this one object: for several models, or a copy, name it by its path',
  });
}
