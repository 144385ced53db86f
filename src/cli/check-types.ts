// Checks every `type` of a config and the options beside it against the registries, before anything is built: all mistakes of the
// whole config at once, each with its path.
import { didYouMean, RetortError } from '../errors.ts';
import { mistakesOf } from '../registry/index.ts';
import { entryOf, isByPart, namesOf, optionsOf, registries, registryAt } from './places.ts';
import type { KnownRegistry, UserTables } from './places.ts';

/** Every mistake, such as `model.distiller.distillLosses.loss_kl: "KLDivergense" is no loss; did you mean "KLDivergence"?`. */
function typeMistakes(config: unknown, own: UserTables = {}): string[] {
  const mistakes: string[] = [];
  visit(config, [], own, mistakes);
  return mistakes;
}

/** @throws {RetortError} that lists all mistakes. */
export function requireTypes(config: unknown, where: string, own: UserTables = {}): void {
  const mistakes = typeMistakes(config, own);
  if (mistakes.length > 0) throw new RetortError(`${where}:\n    ${mistakes.join('\n    ')}`);
}

function visit(value: unknown, path: readonly string[], own: UserTables, mistakes: string[]): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) visit(item, [...path, String(i)], own, mistakes);
    return;
  }
  if (!isPlain(value)) return;
  const registry = registryAt(path);
  const { type } = value;
  const where = path.join('.');
  if (registry !== undefined && type !== 'FromStage' && !('buildCfg' in value) && !isByPart(registry, path, value)) {
    const { kind } = registries[registry] as KnownRegistry;
    if (typeof type !== 'string') {
      mistakes.push(`${where}: "type" is missing; a ${kind} is { type: <name>, ...options }`);
    } else {
      const entry = entryOf(registry, type, own);
      if (entry === undefined) {
        mistakes.push(`${where}: "${type}" is no ${kind}; ${didYouMean(type, namesOf(registry, own))}`);
      } else
        mistakes.push(
          ...mistakesOf(entry.schema, optionsOf(registry, value)).map((mistake) => `${where} ${type}: ${mistake}`),
        );
    }
  }
  for (const [key, item] of Object.entries(value)) visit(item, [...path, key], own, mistakes);
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
