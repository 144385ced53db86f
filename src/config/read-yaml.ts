// Reads a YAML config into a tree, each value with its line: YAML 1.2, and from YAML 1.1 the merge key `<<`, which acts as in PyYAML.
// What the two versions read differently is refused with both meanings, so that no number changes with the reader.
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, Scalar } from 'yaml';
import type { CST, Document, Node, ParsedNode, YAMLMap } from 'yaml';

import { didYouMean } from '../errors.ts';
import { numberNode } from './read-json.ts';
import { checkKey, dictNode, errorAt, kindName, maxDepth, tooDeep } from './tree/index.ts';
import type { Budget, DictNode, Origin, TreeNode } from './tree/index.ts';

/** How many steps it counts to put one key into another mapping. */
const copyCost = 4;

/** What the lexer may find in one file; a line has about six. */
const maxTokens = 100_000;

/** @param file what errors and origins call it. @throws {RetortError} with line and column, for what cannot be read. */
export function readYaml(text: string, file: string, budget: Budget): TreeNode {
  const lines = new LineCounter();
  const originAt = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const document = documentIn(text, lines, originAt);
  if (document === undefined || document.contents === null) {
    throw errorAt({ file, line: 0, column: 0 }, 'the file is empty');
  }
  return new Converter(originAt, budget).convert(document.contents);
}

/** The one document of a text. */
function documentIn(text: string, lines: LineCounter, originAt: (offset: number) => Origin): Document | undefined {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const composer = new Composer({ uniqueKeys: false, schema: 'core', merge: false, keepSourceTokens: false });
  const found: Document[] = [];
  const take = (documents: Iterable<Document>): void => {
    for (const document of documents) {
      const [error] = document.errors;
      if (error !== undefined) throw errorAt(originAt(error.pos[0]), inWords(error));
      const [warning] = document.warnings;
      if (warning !== undefined)
        throw errorAt(originAt(warning.pos[0]), tagIn(warning.message), 'write the value itself');
      const { version, explicit } = document.directives!.yaml;
      if (explicit === true && version !== '1.2') {
        throw errorAt(originAt(0), `this says it is YAML ${version}; YAML 1.2 is read`, 'take the line %YAML out');
      }
      if (found.length > 0) {
        const at = (document.contents as ParsedNode | null)?.range[0] ?? 0;
        throw errorAt(
          originAt(at),
          'a second document; a config is one',
          'take the line --- before it out, or write two files',
        );
      }
      found.push(document);
    }
  };
  const compose = (token: CST.Token): void => {
    // The first error is enough: a hostile file has a hundred thousand.
    if (token.type === 'error') throw errorAt(originAt(token.offset), inWords({ code: '', message: token.message }));
    take(composer.next(token));
  };
  let tokens = 0;
  try {
    for (const lexeme of new Lexer().lex(text)) {
      if (++tokens > maxTokens) {
        throw errorAt(originAt(0), `more than ${maxTokens.toLocaleString('en')} tokens of YAML`, 'write it as JSON');
      }
      for (const token of parser.next(lexeme)) compose(token);
    }
    for (const token of parser.end()) compose(token);
    take(composer.end());
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(originAt(0));
    throw error;
  }
  return found[0];
}

/** What the two versions of YAML read differently, and how. */
function ambiguity(text: string): string | undefined {
  const digits = text.replaceAll('_', '');
  if (/^[-+]?0[0-7]+$/.test(digits))
    return `${Number.parseInt(digits, 8)} in YAML 1.1 and ${Number(digits)} in YAML 1.2`;
  if (/^[-+]?0\d+$/.test(digits)) return `a text in YAML 1.1 and ${Number(digits)} in YAML 1.2`;
  if (/^[-+]?0b[01]+$/.test(digits)) return 'a number of base 2 in YAML 1.1 and a text in YAML 1.2';
  if (/^[-+]?[1-9]\d*(?::[0-5]?\d)+(?:\.\d*)?$/.test(digits)) {
    return 'a number of base 60 in YAML 1.1 and a text in YAML 1.2';
  }
  const written = digits !== text && /^[-+]?\d/.test(text) && /^[-+]?\d+(?:\.\d*)?(?:e[-+]\d+)?$/i.test(digits);
  return written ? `${digits} in YAML 1.1 and a text in YAML 1.2` : undefined;
}

/** Tags that say what the value is anyway. */
const plainTags = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`),
);

class Converter {
  readonly #originAt: (offset: number) => Origin;
  readonly #budget: Budget;
  /** What each anchor stands for, as far as the document has been read: it may be set again. */
  readonly #anchors = new Map<string, TreeNode>();
  /** Anchors whose value is being read. */
  readonly #open = new Set<string>();

  constructor(originAt: (offset: number) => Origin, budget: Budget) {
    this.#originAt = originAt;
    this.#budget = budget;
  }

  convert(node: Node, depth = 0): TreeNode {
    const origin = this.#originOf(node);
    this.#budget.spend(1, origin);
    if (depth > maxDepth) throw tooDeep(origin);
    if (isAlias(node)) return this.#alias(node.source, origin);
    const { anchor, tag } = node as { anchor?: string; tag?: string };
    if (tag !== undefined && !plainTags.has(tag)) throw errorAt(origin, tagIn(tag), 'write the value itself');
    if (anchor !== undefined) this.#open.add(anchor);
    const value = this.#value(node, depth, origin);
    if (anchor !== undefined) {
      this.#open.delete(anchor);
      this.#anchors.set(anchor, value);
    }
    return value;
  }

  #value(node: Node, depth: number, origin: Origin): TreeNode {
    if (isMap(node)) return this.#map(node, depth, origin);
    if (isSeq(node)) {
      return { kind: 'list', value: node.items.map((item) => this.convert(item as Node, depth + 1)), origin };
    }
    return this.#scalar(node as Scalar, origin);
  }

  #scalar({ value, source = '', type }: Scalar, origin: Origin): TreeNode {
    if (type === Scalar.PLAIN) {
      const meaning = source.length > 100 ? undefined : ambiguity(source);
      if (meaning !== undefined) {
        throw errorAt(origin, `${source} is ${meaning}`, 'write the number that is meant, or put it in quotes');
      }
    }
    if (typeof value === 'number') {
      return /^[-+]?\.?\d/.test(source) && !/^0[xo]/.test(source)
        ? numberNode(source, origin)
        : { kind: Number.isSafeInteger(value) ? 'int' : 'float', value, origin };
    }
    if (typeof value === 'boolean') return { kind: 'bool', value, origin };
    if (value === null || value === undefined) return { kind: 'none', value: null, origin };
    return { kind: 'str', value: typeof value === 'string' ? value : source, origin };
  }

  #map(map: YAMLMap, depth: number, origin: Origin): DictNode {
    const own = new Map<string, TreeNode>();
    const below = new Map<string, TreeNode>();
    for (const { key, value } of map.items as { key: Node; value: Node | null }[]) {
      const at = this.#originOf(key);
      const node =
        value === null ? ({ kind: 'none', value: null, origin: at } as const) : this.convert(value, depth + 1);
      if (isMergeKey(key)) {
        this.#merge(node, below, at);
        continue;
      }
      const name = this.#key(key, at);
      const before = own.get(name);
      if (before !== undefined) {
        throw errorAt(at, `the key "${name}" stands here and in line ${before.origin.line}`, 'take one of the two out');
      }
      own.set(name, node);
    }
    // As in PyYAML: what is merged stands first, and the mapping's own keys count, wherever `<<` stands.
    for (const [name, node] of own) below.set(name, node);
    return dictNode(below, origin);
  }

  /** Takes over what `<<` names. Of a list the first mapping that has a key counts; of two `<<` the second. */
  #merge(node: TreeNode, below: Map<string, TreeNode>, origin: Origin): void {
    const sources = node.kind === 'list' ? node.value.toReversed() : [node];
    for (const source of sources) {
      if (source.kind !== 'dict') {
        const what = node.kind === 'list' ? `a list with ${kindName(source.kind)}` : kindName(source.kind);
        throw errorAt(origin, `<<: expected a mapping or a list of mappings, got ${what}`, 'write <<: *anchor');
      }
      this.#budget.spend(source.value.size * copyCost, origin);
      for (const [name, value] of source.value) below.set(name, value);
    }
  }

  #key(key: Node | null, origin: Origin): string {
    const node = isAlias(key) ? this.#alias(key.source, origin) : undefined;
    if (isScalar(key) || (node !== undefined && !isContainer(node))) {
      const { value, source } = (node ?? key) as Scalar;
      const name = typeof value === 'string' ? value : (source ?? String(value));
      checkKey(name, origin);
      return name;
    }
    throw errorAt(origin, 'a key must be a text', 'put it in quotes');
  }

  #alias(name: string, origin: Origin): TreeNode {
    if (this.#open.has(name)) throw errorAt(origin, `*${name} stands within &${name}: it would hold itself`);
    const found = this.#anchors.get(name);
    if (found !== undefined) return found;
    throw errorAt(origin, `*${name}: unknown anchor &${name}; ${didYouMean(name, this.#anchors.keys())}`);
  }

  #originOf(node: Node | null): Origin {
    return this.#originAt(node?.range?.[0] ?? 0);
  }
}

function isContainer({ kind }: TreeNode): boolean {
  return kind === 'dict' || kind === 'list' || kind === 'tuple';
}

/** A plain `<<`; in quotes it is a key like any other. */
function isMergeKey(key: Node | null): boolean {
  return isScalar(key) && key.value === '<<' && (key.type === Scalar.PLAIN || key.type === undefined);
}

function tagIn(text: string): string {
  const tag = /!\S*|tag:\S+/.exec(text)?.[0] ?? text;
  return `the tag ${tag.slice(0, 80)} has no meaning in a config`;
}

function inWords({ code, message }: { code: string; message: string }): string {
  if (code === 'TAB_AS_INDENT') return 'a tab where lines are indented; YAML allows blanks only';
  return message.length > 200 ? `${message.slice(0, 200)}...` : message;
}
