// One part of a record: an element of an array, a value of a plain object or of a Map.
import { didYouMean, RetortError } from '../../errors.ts';
import { isPlainObject } from '../../torch/index.ts';

/** @throws {RetortError} which names `asker`, what the record is and which parts it has. */
export function partOf(data: unknown, key: number | string, asker: string): unknown {
  const asked = `${asker}: dataIdx ${JSON.stringify(key)}`;
  if (Array.isArray(data)) {
    const parts: readonly unknown[] = data;
    if (typeof key === 'number' && Number.isInteger(key) && key < parts.length && key >= -parts.length) {
      return parts.at(key);
    }
    throw new RetortError(`${asked} does not exist, the record is an array of ${parts.length}`, {
      help: parts.length === 0 ? 'leave dataIdx out' : `use 0 to ${parts.length - 1}, or -1 for the last`,
    });
  }
  const entries = data instanceof Map ? data : isPlainObject(data) ? new Map(Object.entries(data)) : undefined;
  if (entries === undefined) {
    throw new RetortError(`${asked} asks for a part, but the record is ${nameOf(data)}, which has none`, {
      help: 'leave dataIdx out',
    });
  }
  const name = data instanceof Map ? key : String(key);
  if (entries.has(name)) return entries.get(name);
  const keys = Array.from(entries.keys(), String);
  throw new RetortError(`${asked} does not exist; ${didYouMean(String(key), keys)}`);
}

function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return `a ${value.constructor.name}`;
}
