// The tree that every config is read into: values as Python knows them (`1` is not `1.0`, a tuple is no list), each with the
// place it was written. Nodes never change; merging makes new ones. Dicts are maps, so no key can reach a prototype.
import { RetortError } from '../../errors.ts';
import type { RetortErrorOptions } from '../../errors.ts';

/** Where a value was written. Lines and columns count from 1; line 0 means the file as a whole. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

interface NodeOf<Kind extends string, Value> {
  readonly kind: Kind;
  readonly value: Value;
  readonly origin: Origin;
}

/** A safe integer (at most 2^53 - 1 in size). */
export type IntNode = NodeOf<'int', number>;
export type FloatNode = NodeOf<'float', number>;
export type StrNode = NodeOf<'str', string>;
export type BoolNode = NodeOf<'bool', boolean>;
export type NoneNode = NodeOf<'none', null>;
export type ScalarNode = IntNode | FloatNode | StrNode | BoolNode | NoneNode;
/** A list. */
export type ListNode = NodeOf<'list', readonly TreeNode[]>;
export type TupleNode = NodeOf<'tuple', readonly TreeNode[]>;
/** A dict, with its keys in order. */
export type DictNode = NodeOf<'dict', ReadonlyMap<string, TreeNode>>;
/** A value of a config, with where it was written. */
export type TreeNode = ScalarNode | ListNode | TupleNode | DictNode;
export type TreeKind = TreeNode['kind'];

/** The key that makes a dict replace the one it would be merged into. */
export const deleteKey = '_delete_';

const withArticle: Readonly<Record<TreeKind, string>> = {
  int: 'an int',
  float: 'a float',
  str: 'a string',
  bool: 'a bool',
  none: 'None',
  list: 'a list',
  tuple: 'a tuple',
  dict: 'a dict',
};

/** `a list`, `an int`, `None`: a kind in the words of error messages. */
export function kindName(kind: TreeKind): string {
  return withArticle[kind];
}

/** A dict node of entries. */
export function dictNode(entries: Iterable<readonly [string, TreeNode]>, origin: Origin): DictNode {
  return { kind: 'dict', value: new Map(entries), origin };
}

/** `file:line:column`, or the file alone. */
export function showOrigin({ file, line, column }: Origin): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

/** One thing that is wrong with a config. */
export interface ConfigMistake {
  /** What is wrong, in words. */
  readonly message: string;
  /** What it is about, such as `optimizer.lr`, by the names the file uses. Not there where it is no value of the config. */
  readonly path?: string;
  /** The file it was written in, as a person in the current folder would name it. */
  readonly file?: string;
  /** From 1; not there where a file keeps no lines (TypeScript) or the file as a whole is meant. */
  readonly line?: number;
  readonly column?: number;
}

/** A config that cannot be used: its message lists all that is wrong, `mistakes` has the same one by one. */
export class ConfigError extends RetortError {
  override readonly name: string = 'ConfigError';
  readonly mistakes: readonly ConfigMistake[];

  constructor(message: string, mistakes: readonly ConfigMistake[], options: RetortErrorOptions = {}) {
    super(message, { code: 'invalid-config', ...options });
    this.mistakes = mistakes;
  }
}

/** File, line and column of a mistake, as far as they are known. */
export function placeOf({ file, line, column }: Origin): Pick<ConfigMistake, 'file' | 'line' | 'column'> {
  return { ...(file === '' ? {} : { file }), ...(line === 0 ? {} : { line, column }) };
}

/** An error about what stands at `origin`. A message that quotes very long names is cut. */
export function errorAt(origin: Origin, message: string, help?: string): ConfigError {
  const shown = message.length > 1000 ? `${message.slice(0, 1000)}...` : message;
  const mistake = { message: help === undefined ? shown : `${shown}\n  help: ${help}`, ...placeOf(origin) };
  return new ConfigError(`${showOrigin(origin)}: ${shown}`, [mistake], help === undefined ? {} : { help });
}

/** @throws {RetortError} for `__proto__`, which no config needs and which changes the prototype of careless objects. */
export function checkKey(key: string, origin: Origin): void {
  if (key === '__proto__') throw errorAt(origin, 'the key "__proto__" is not allowed in a config');
}
