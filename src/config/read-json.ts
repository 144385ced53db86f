// Reads a JSON config into a tree: strictly (RFC 8259), each value with its line. What people write and JSON does not have (comments,
// a comma before a bracket, single quotes, NaN) is named.
import { checkKey, dictNode, errorAt, maxDepth, maxNodes, tooDeep, tooLarge } from './tree/index.ts';
import type { Origin, TreeNode } from './tree/index.ts';

/** @param file what errors and origins call it. @throws {RetortError} with line and column, for what is not JSON. */
export function readJson(text: string, file: string): TreeNode {
  return new Reader(text, file).read();
}

/** What a number, `true`, `false` or `null` is made of, wrong ones included. */
const word = /[\w.+-]+/y;
const space = /[ \t\r\n]*/y;
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

class Reader {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  /** The line that was last asked for, where it begins and where it ends. */
  #line = 1;
  #lineStart = 0;
  #lineEnd: number;
  #nodes = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.#lineEnd = endOfLine(text, 0);
  }

  read(): TreeNode {
    if (this.#next() === '') throw errorAt({ file: this.#file, line: 0, column: 0 }, 'the file is empty');
    const value = this.#value(0);
    if (this.#next() !== '') throw this.#unexpected('the end');
    return value;
  }

  #value(depth: number): TreeNode {
    const next = this.#next();
    const origin = this.#origin();
    if (++this.#nodes > maxNodes) throw tooLarge(origin);
    if (depth > maxDepth) throw tooDeep(origin);
    if (next === '{') return this.#object(origin, depth);
    if (next === '[') return this.#array(origin, depth);
    if (next === '"') return { kind: 'str', value: this.#string(), origin };
    return this.#word(origin);
  }

  #object(origin: Origin, depth: number): TreeNode {
    const entries = new Map<string, TreeNode>();
    this.#sequence('}', () => {
      if (this.#next() !== '"') throw this.#unexpected('a key in double quotes');
      const at = this.#origin();
      const key = this.#string();
      checkKey(key, at);
      const before = entries.get(key);
      if (before !== undefined) {
        throw errorAt(at, `the key "${key}" stands here and in line ${before.origin.line}`, 'take one of the two out');
      }
      if (this.#next() !== ':') throw this.#unexpected('":"');
      this.#at++;
      entries.set(key, this.#value(depth + 1));
    });
    return dictNode(entries, origin);
  }

  #array(origin: Origin, depth: number): TreeNode {
    const value: TreeNode[] = [];
    this.#sequence(']', () => value.push(this.#value(depth + 1)));
    return { kind: 'list', value, origin };
  }

  #sequence(close: string, element: () => void): void {
    this.#at++;
    if (this.#next() !== close) {
      for (;;) {
        element();
        if (this.#next() !== ',') break;
        this.#at++;
        if (this.#next() === close) throw this.#error(`a comma before "${close}"`, 'JSON has none there: take it out');
      }
    }
    if (this.#next() !== close) throw this.#unexpected(`"," or "${close}"`);
    this.#at++;
  }

  /** The string that begins here. */
  #string(): string {
    const start = this.#at;
    for (;;) {
      const char = this.#text[++this.#at];
      if (char === undefined || char === '\n') {
        this.#at = start;
        throw this.#error('a string that does not end');
      }
      if (char === '"') break;
      if (char === '\\') this.#at++;
      else if (char < ' ') throw this.#error('a control character in a string', 'write it as \\u0000 and the like');
    }
    const written = this.#text.slice(start, ++this.#at);
    if (!written.includes('\\')) return written.slice(1, -1);
    try {
      return JSON.parse(written) as string;
    } catch {
      this.#at = start;
      throw this.#error('a string with an escape that JSON does not have', 'a backslash is written \\\\');
    }
  }

  #word(origin: Origin): TreeNode {
    word.lastIndex = this.#at;
    const [text = ''] = word.exec(this.#text) ?? [];
    if (text === 'true' || text === 'false') {
      this.#at += text.length;
      return { kind: 'bool', value: text === 'true', origin };
    }
    if (text === 'null') {
      this.#at += text.length;
      return { kind: 'none', value: null, origin };
    }
    if (!number.test(text)) throw this.#unexpected('a value');
    this.#at += text.length;
    return numberNode(text, origin);
  }

  /** The next character that is not white space; `''` at the end. */
  #next(): string {
    space.lastIndex = this.#at;
    space.test(this.#text);
    this.#at = space.lastIndex;
    return this.#text[this.#at] ?? '';
  }

  /** The place where the reader is; it never goes back to an earlier line. */
  #origin(): Origin {
    while (this.#lineEnd < this.#at) {
      this.#line++;
      this.#lineStart = this.#lineEnd + 1;
      this.#lineEnd = endOfLine(this.#text, this.#lineStart);
    }
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #unexpected(expected: string): Error {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    if (/^(?:\/\/|\/\*|#)/.test(rest)) {
      return this.#error('a comment', 'JSON has no comments: take them out, or write the config in YAML or TypeScript');
    }
    if (rest.startsWith("'")) return this.#error('a single quote', 'JSON has double quotes only');
    if (/^[+-]?(?:NaN|Infinity)/.test(rest)) {
      return this.#error(
        `the number ${/^\S?\w+/.exec(rest)![0]}`,
        'JSON does not have it: write the config in YAML (.nan, .inf) or TypeScript',
      );
    }
    if (rest === '') return this.#error(`the file ends where ${expected} should be`, 'was it cut off?');
    const [line = ''] = rest.split('\n');
    return this.#error(`expected ${expected}, got ${JSON.stringify(line.length < 20 ? line : `${line}...`)}`);
  }

  #error(message: string, help?: string): Error {
    return errorAt(this.#origin(), message, help);
  }
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start);
  return end === -1 ? text.length : end;
}

/** A number as it is written: `2` is an int, `2.0` and `2e0` are floats. @throws {RetortError} beyond what a double holds. */
export function numberNode(text: string, origin: Origin): TreeNode {
  const value = Number(text);
  if (/^[-+]?\d+$/.test(text) && !Object.is(value, -0)) {
    if (!Number.isSafeInteger(value)) throw errorAt(origin, `the number ${text.slice(0, 40)} is beyond 2^53 - 1`);
    return { kind: 'int', value, origin };
  }
  if (!Number.isFinite(value)) throw errorAt(origin, `the number ${text.slice(0, 40)} is larger than a float can be`);
  return { kind: 'float', value, origin };
}
