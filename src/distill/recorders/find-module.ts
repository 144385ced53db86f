// Finds a module by its path, under every name it has, and suggests the nearest names when there is none.
import { didYouMean, RetortError } from '../../errors.ts';
import type { Module } from '../../nn/index.ts';

/** @throws {RetortError} which names `asker`, the path and the nearest ones. */
export function findModule(model: Module, path: string, asker: string): Module {
  const found = model.getModule(path);
  if (found !== undefined) return found;
  const names = [...model.namedModules({ removeDuplicate: false })].map(([name]) => name).filter((name) => name !== '');
  // A near last part under the right parent, or the right last part elsewhere, helps more than the whole list.
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('.')));
  const siblings = names.filter((name) => name.slice(0, Math.max(0, name.lastIndexOf('.'))) === parent);
  throw new RetortError(`${asker}: "${path}" is not in ${model.constructor.name}`, {
    help: didYouMean(path, siblings.length > 0 ? siblings : names),
  });
}
