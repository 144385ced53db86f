// The right-hand side of `--cfg-options key=value`, in the syntax of the original's command line.
import { maxDepth } from './limits.ts';
import { errorAt } from './node.ts';
import type { Origin, TreeNode } from './node.ts';

const integer = /^[+-]?\d+(?:_\d+)*$/;
const decimal = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+)?$/i;
const special = /^([+-]?)(inf|infinity|nan)$/i;
const closing: Readonly<Record<string, string>> = { '[': ']', '(': ')' };

/**
 * The value of an option: an int, a float, `True`/`False` in any case, `None`, `[a, b]` (a list), `(a, b)` (a tuple), nested as
 * one likes, `a,b` (a list), and everything else a string. Quotes make a string of anything: `"1"`.
 * @throws {RetortError} for brackets or quotes that do not close, numbers beyond 2^53, dicts.
 */
export function parseOptionValue(text: string, origin: Origin): TreeNode {
  const items = splitItems(text, origin);
  if (items.length === 1) return parseItem(items[0]!, origin, 0);
  return { kind: 'list', value: parseItems(items, origin, 0), origin };
}

function parseItem(text: string, origin: Origin, depth: number): TreeNode {
  const word = text.trim();
  const first = word[0] ?? '';
  if (depth > maxDepth) throw errorAt(origin, `nested more than ${maxDepth} deep`);
  if (first === '[' || first === '(') {
    if (!word.endsWith(closing[first]!))
      throw errorAt(origin, `"${shorten(word)}" begins with ${first} and ends otherwise`);
    const value = parseItems(splitItems(word.slice(1, -1), origin), origin, depth + 1);
    return { kind: first === '[' ? 'list' : 'tuple', value, origin };
  }
  if (first === '{') {
    throw errorAt(origin, `"${shorten(word)}": a dict has no spelling here`, 'set its keys one by one: a.b=1 a.c=2');
  }
  if (first === '"' || first === "'") return { kind: 'str', value: word.slice(1, -1), origin };
  return parseWord(word, origin);
}

function parseWord(word: string, origin: Origin): TreeNode {
  if (integer.test(word)) {
    const value = Number(word.replaceAll('_', ''));
    if (!Number.isSafeInteger(value)) throw errorAt(origin, `the number ${shorten(word)} is beyond 2^53 - 1`);
    return { kind: 'int', value: value + 0, origin };
  }
  if (decimal.test(word)) return { kind: 'float', value: Number(word.replaceAll('_', '')), origin };
  const [, sign, name] = special.exec(word) ?? [];
  if (name !== undefined) {
    const size = name.toLowerCase() === 'nan' ? NaN : Infinity;
    return { kind: 'float', value: sign === '-' ? -size : size, origin };
  }
  if (/^(?:true|false)$/i.test(word)) return { kind: 'bool', value: word.toLowerCase() === 'true', origin };
  if (word === 'None') return { kind: 'none', value: null, origin };
  return { kind: 'str', value: word, origin };
}

/** Items between commas; a comma may follow the last. */
function parseItems(items: readonly string[], origin: Origin, depth: number): TreeNode[] {
  const count = items.at(-1)!.trim() === '' ? items.length - 1 : items.length;
  return items.slice(0, count).map((item) => {
    if (item.trim() === '') throw errorAt(origin, 'nothing between two commas');
    return parseItem(item, origin, depth);
  });
}

/** Splits at the commas that stand in no bracket and no quotes. Quotes count only where an item begins. */
function splitItems(text: string, origin: Origin): string[] {
  const items: string[] = [];
  const open: string[] = [];
  let start = 0;
  let fresh = true;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (fresh && (char === '"' || char === "'")) {
      at = text.indexOf(char, at + 1);
      if (at < 0) throw errorAt(origin, `a string in "${shorten(text)}" does not end`);
      const rest = /^\s*(?:[,\])]|$)/.test(text.slice(at + 1, at + 100));
      if (!rest) throw errorAt(origin, `something follows the closing quote in "${shorten(text)}"`);
    } else if (char === '[' || char === '(') {
      open.push(closing[char]!);
    } else if (char === ']' || char === ')') {
      if (open.pop() !== char) throw errorAt(origin, `"${char}" closes nothing in "${shorten(text)}"`);
    } else if (char === ',' && open.length === 0) {
      items.push(text.slice(start, at));
      start = at + 1;
    }
    fresh = '[(,'.includes(char) || (fresh && char === ' ');
  }
  if (open.length > 0) throw errorAt(origin, `"${open.at(-1)}" is missing in "${shorten(text)}"`);
  items.push(text.slice(start));
  return items;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
