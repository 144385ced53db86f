// `x[0]`, `x['key']`, `x[1:-1:2]`, as Python indexes: from the end with negative numbers, strings by their characters.
import { errorAt, kindName } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';
import type { Budget } from '../../config/tree/budget.ts';
import { suggest } from './suggest.ts';
import type { DictValue, SequenceValue, Value } from './values.ts';

/** `object[key]`. @throws {RetortError} for what is not there. */
export function getItem(object: Value, key: Value, origin: Origin, budget: Budget): Value {
  if (object.kind === 'dict') return getKey(object, stringKey(key), origin);
  if (object.kind === 'list' || object.kind === 'tuple') return object.value[position(object, key, origin)]!;
  if (object.kind !== 'str') throw errorAt(origin, `${kindName(object.kind)} has no items`);
  const characters = charactersOf(object.value, origin, budget);
  const index = indexOf(characters.length, key, origin);
  return { kind: 'str', value: characters[index]!, origin };
}

/** `object['key']` or `object.key`. @throws {RetortError} with the nearest key. */
export function getKey(object: DictValue, key: string, origin: Origin): Value {
  const value = object.value.get(key);
  if (value !== undefined) return value;
  throw errorAt(origin, `unknown key "${key}" in this dict; ${suggest(key, object.value.keys())}`);
}

/** The index that a key means in a list or tuple. @throws {RetortError} beyond its ends. */
export function position(sequence: SequenceValue, key: Value, origin: Origin): number {
  return indexOf(sequence.value.length, key, origin);
}

/** A key of a dict. @throws {RetortError} for what is not a string: configs have no other keys. */
export function stringKey(key: Value): string {
  if (key.kind === 'str') return key.value;
  throw errorAt(key.origin, `the keys of a config's dicts are strings, got ${kindName(key.kind)}`);
}

/** `object[from:to:step]` of a list, tuple or string. @throws {RetortError} for other kinds, bounds that are no ints, step 0. */
export function getSlice(object: Value, bounds: readonly (Value | undefined)[], origin: Origin, budget: Budget): Value {
  const [from, to, step = 1] = bounds.map((bound) => (bound === undefined ? undefined : bound_(bound)));
  if (step === 0) throw errorAt(origin, 'a slice with step 0');
  if (object.kind === 'list' || object.kind === 'tuple') {
    const value = pick(object.value, from, to, step);
    budget.makeItems(value.length, origin);
    return { kind: object.kind, value, origin };
  }
  if (object.kind !== 'str') throw errorAt(origin, `${kindName(object.kind)} has no slices`);
  return { kind: 'str', value: pick(charactersOf(object.value, origin, budget), from, to, step).join(''), origin };
}

function pick<T>(items: readonly T[], from: number | undefined, to: number | undefined, step: number): T[] {
  const [lowest, highest] = step > 0 ? [0, items.length] : [-1, items.length - 1];
  const clip = (bound: number): number => Math.min(highest, Math.max(lowest, bound < 0 ? bound + items.length : bound));
  const first = from === undefined ? (step > 0 ? lowest : highest) : clip(from);
  const end = to === undefined ? (step > 0 ? highest : lowest) : clip(to);
  const picked: T[] = [];
  for (let at = first; step > 0 ? at < end : at > end; at += step) picked.push(items[at]!);
  return picked;
}

function bound_(bound: Value): number | undefined {
  if (bound.kind === 'none') return undefined;
  if (bound.kind === 'int') return bound.value;
  throw errorAt(bound.origin, `a slice is bounded by ints, got ${kindName(bound.kind)}`);
}

function indexOf(length: number, key: Value, origin: Origin): number {
  if (key.kind !== 'int') throw errorAt(key.origin, `an index is an int, got ${kindName(key.kind)}`);
  const index = key.value < 0 ? key.value + length : key.value;
  if (index >= 0 && index < length) return index;
  throw errorAt(origin, `no item ${key.value}: the list has ${length}`);
}

function charactersOf(text: string, origin: Origin, budget: Budget): string[] {
  budget.spend(text.length, origin);
  return Array.from(text);
}
