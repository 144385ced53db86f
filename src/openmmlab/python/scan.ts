// A first pass over the text, before the parser: it finds the literals (the parser tells neither `1` from `1.0` nor `...` from
// '...'), replaces placeholders by names of the same length, and refuses what could keep the parser busy: deep brackets,
// f-strings (nested ones take quadratic time), strings without end.
import { errorAt } from '../../config/tree/index.ts';
import { maxDepth } from '../../config/tree/limits.ts';
import { readNumber, readString } from './literals.ts';
import type { NumberLiteral } from './literals.ts';
import { placeholderAt } from './placeholders.ts';
import type { Placeholder } from './placeholders.ts';
import type { Source } from './source.ts';

export type Literal = NumberLiteral | { readonly kind: 'str'; readonly value: string };

/** A text for the parser, and what stands at which offset of it. Neighboring strings are one. */
export interface Scanned {
  readonly text: string;
  readonly literals: ReadonlyMap<number, Literal>;
  readonly placeholders: ReadonlyMap<number, Placeholder>;
}

const blank = /[ \t\f]+|#[^\n]*|\\\n/y;
const quote = /([A-Za-z]{0,2})('''|"""|'|")/y;
const name = /[\p{L}\p{Nl}_][\p{L}\p{N}\p{M}\p{Pc}]*/uy;
const number = /0[xXoObB]\w*|(?:\d|\.\d)(?:[eE][+-](?=\d)|[\w.])*/y;
const stringKinds: Readonly<Record<string, string>> = { f: 'an f-string', t: 'a t-string', b: 'a bytes literal' };

/** @throws {RetortError} for what is said above, and for literals that Python does not know. */
export function scan(source: Source): Scanned {
  const { text } = source;
  const literals = new Map<number, Literal>();
  const placeholders = new Map<number, Placeholder>();
  let replaced = '';
  let copied = 0;
  let depth = 0;
  /** The offset of the string that the next one would continue. */
  let joined: number | undefined;

  const match = (pattern: RegExp, at: number): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const fail = (at: number, problem: string): Error => errorAt(source.originAt(at), problem);

  for (let at = 0; at < text.length;) {
    const space = match(blank, at);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const string = stringAt(source, at);
    if (string !== undefined) {
      const before = joined === undefined ? undefined : literals.get(joined);
      joined = before === undefined ? at : joined!;
      literals.set(joined, { kind: 'str', value: before === undefined ? string.value : before.value + string.value });
      at = string.end;
      continue;
    }
    const char = text[at]!;
    if (char === '\n' && depth > 0) {
      at++;
      continue;
    }
    joined = undefined;
    const held = char === '{' ? placeholderAt(text, at) : undefined;
    if (held !== undefined) {
      placeholders.set(at, held.placeholder);
      replaced += `${text.slice(copied, at)}_${' '.repeat(held.end - at - 1)}`;
      at = copied = held.end;
    } else if ('([{'.includes(char)) {
      if (++depth > maxDepth) throw fail(at, `brackets nested more than ${maxDepth} deep`);
      at++;
    } else if (')]}'.includes(char)) {
      if (--depth < 0) throw fail(at, `"${char}" closes nothing`);
      at++;
    } else {
      const digits = match(number, at);
      if (digits !== null) {
        const literal = readNumber(digits[0]);
        if ('problem' in literal) throw fail(at, literal.problem);
        literals.set(at, literal);
      }
      at += (digits ?? match(name, at))?.[0].length ?? 1;
    }
  }
  return { text: replaced + text.slice(copied), literals, placeholders };
}

/** The string that begins at an offset, if one does. */
function stringAt(source: Source, at: number): { value: string; end: number } | undefined {
  quote.lastIndex = at;
  const opening = quote.exec(source.text);
  if (opening === null) return undefined;
  const [whole, prefix, quotes] = opening as unknown as [string, string, string];
  const fail = (problem: string): Error => errorAt(source.originAt(at), problem);
  const kind = /[fbt]/i.exec(prefix)?.[0].toLowerCase();
  if (kind !== undefined) throw fail(`${stringKinds[kind]} is not allowed in a config`);
  if (!/^(?:|r|u)$/i.test(prefix)) throw fail(`a string with the prefix ${prefix}`);
  const end = endOfString(source.text, at + whole.length, quotes);
  if (end === undefined) throw fail('a string that does not end');
  const string = readString(source.text.slice(at + whole.length, end), /r/i.test(prefix));
  if ('problem' in string) throw fail(string.problem);
  return { value: string.value, end: end + quotes.length };
}

function endOfString(text: string, start: number, quotes: string): number | undefined {
  for (let at = start; at < text.length; at += text[at] === '\\' ? 2 : 1) {
    if (text.startsWith(quotes, at)) return at;
    if (text[at] === '\n' && quotes.length === 1) return undefined;
  }
  return undefined;
}
