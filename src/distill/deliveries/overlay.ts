// Partial override: some elements of the student's own result are replaced by the teacher's.
import { RetortError } from '../../errors.ts';
import { isPlain } from '../../check.ts';

/** A position in an array, or a key of a plain object or Map. */
export type PartKey = number | string;

/**
 * `own` with the elements at `keys` taken from `kept`; neither is changed.
 * @throws {RetortError} which names `asker`, when one of the two has no such element.
 */
export function overlay(own: unknown, kept: unknown, keys: readonly PartKey[], asker: string): unknown {
  if (Array.isArray(own) && Array.isArray(kept)) {
    const items: unknown[] = [...own];
    for (const key of keys) {
      const [to, from] = [own, kept].map((list) => position(list, key, asker)) as [number, number];
      items[to] = kept[from];
    }
    return items;
  }
  if (own instanceof Map && kept instanceof Map) {
    const items = new Map(own);
    for (const key of keys) items.set(present(own, key, asker), kept.get(present(kept, key, asker)));
    return items;
  }
  if (isPlain(own) && isPlain(kept)) {
    const items = { ...own };
    const [mine, theirs] = [own, kept].map((object) => new Map(Object.entries(object))) as [
      Map<string, unknown>,
      Map<string, unknown>,
    ];
    for (const key of keys) {
      const name = String(key);
      items[present(mine, name, asker)] = theirs.get(present(theirs, name, asker));
    }
    return items;
  }
  throw new RetortError(
    `${asker}: dataIdx: expected results that are arrays, plain objects or Maps, elements of which it replaces`,
    {
      help: 'leave dataIdx out to replace the whole result',
    },
  );
}

function position(list: readonly unknown[], key: PartKey, asker: string): number {
  const index = typeof key === 'number' && key < 0 ? key + list.length : key;
  if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < list.length) return index;
  throw new RetortError(
    `${asker}: dataIdx ${JSON.stringify(key)} does not exist, the result is an array of ${list.length}`,
    { code: 'unknown-name' },
  );
}

function present<K extends PartKey>(items: ReadonlyMap<unknown, unknown>, key: K, asker: string): K {
  if (items.has(key)) return key;
  throw new RetortError(
    `${asker}: dataIdx ${JSON.stringify(key)} does not exist, the result has ${[...items.keys()].join(', ')}`,
    { code: 'unknown-name' },
  );
}
