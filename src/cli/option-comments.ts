// The comments of options, read where they are written: at the keys of interfaces and schemas, in the declarations that come with the
// build (or in the sources, where those run). Editors show the same ones.
import { basename, join, resolve } from 'node:path';

import { listFolder, readText } from '../files.ts';

/** One interface, or one object of schemas: comments by key, and what it takes over. */
interface Block {
  comments: ReadonlyMap<string, string>;
  parents: readonly string[];
}

const code = resolve(import.meta.dirname, '..');
const end = import.meta.filename.endsWith('.ts') ? '.ts' : '.d.ts';

/**
 * Comments of the options of a named thing, by option: from the interface that is called after it, and what is missing there from
 * the one of its neighbors that has the most of its options.
 * @param folder where things of its kind are declared
 */
export function optionComments(type: string, folder: string, options: readonly string[]): ReadonlyMap<string, string> {
  const near = blocksBelow(join(code, folder));
  const wanted = plainName(type);
  const found = new Map<string, string>();
  const candidates = [...near.keys()].filter((name) => name.endsWith('Options'));
  const likeness = (name: string): number => commonStart(wanted, plainName(name.replace(/Options$/, '')));
  const shared = (name: string): number => options.filter((option) => commentsOf(name, near).has(option)).length;
  const [named] = candidates.filter((name) => likeness(name) > wanted.length);
  const [closest] = candidates.toSorted((a, b) => shared(b) - shared(a) || likeness(b) - likeness(a));
  for (const name of [named, closest]) {
    if (name === undefined) continue;
    for (const [key, comment] of commentsOf(name, near)) if (!found.has(key)) found.set(key, comment);
  }
  return found;
}

/** The comments of an interface and of all that it extends, wherever that is. */
function commentsOf(name: string, near: ReadonlyMap<string, Block>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const open = [name];
  for (const one of open) {
    const block = near.get(one) ?? blocksBelow(code).get(one);
    for (const [key, comment] of block?.comments ?? []) if (!found.has(key)) found.set(key, comment);
    for (const parent of block?.parents ?? []) if (!open.includes(parent)) open.push(parent);
  }
  return found;
}

/** `ResNet_CIFAR` -> `resnetcifar`; what only says its kind is dropped. */
function plainName(name: string): string {
  return name
    .replace(/(?:Hook|Recorder)$/, '')
    .replaceAll('_', '')
    .toLowerCase();
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length === b.length ? length + 0.5 : length;
}

const read = new Map<string, Map<string, Block>>();

function blocksBelow(folder: string): Map<string, Block> {
  const before = read.get(folder);
  if (before !== undefined) return before;
  const blocks = new Map<string, Block>();
  read.set(folder, blocks);
  for (const path of filesBelow(folder)) {
    const name = basename(path);
    if (!name.endsWith(end) || /\.(?:test|contract)\.ts$/.test(name)) continue;
    for (const [block, content] of blocksIn(readText(path), name)) blocks.set(block, content);
  }
  return blocks;
}

function* filesBelow(folder: string): Iterable<string> {
  for (const one of listFolder(folder)) {
    if (one.isDirectory()) yield* filesBelow(join(folder, one.name));
    else yield join(folder, one.name);
  }
}

const interfaces =
  /^(?:export )?(?:declare )?interface (\w+)(?:<[^{]*?>)?(?:\s+extends ([^{]+?))? \{([^]*?)^\}|^(?:export )?interface (\w+)(?:\s+extends ([^{]+?))? \{\s*\}/gm;
const objects = /^(?:export )?(?:declare )?const (\w+)(?: =|:) \{\n([^]*?)^\}/gm;
const names = /^(?:export )?(?:declare )?type (\w+Options) = ([\w&\s<>,.'|]+);/gm;

function* blocksIn(text: string, file: string): Iterable<[string, Block]> {
  const parentsIn = (list: string): string[] => [
    ...[...list.matchAll(/typeof (\w+)/g)].map(([, name]) => `${name} of ${file}`),
    ...(list.match(/\b[A-Z]\w*Options\b/g) ?? []),
  ];
  for (const [, name, parents = '', body = '', empty, others = ''] of text.matchAll(interfaces)) {
    yield [(name ?? empty)!, { comments: commentsIn(body), parents: parentsIn(`${parents} ${others}`) }];
  }
  for (const [, name, body] of text.matchAll(objects)) {
    const spread = [...body!.matchAll(/^ +\.\.\.(\w+)/gm)].map(([, other]) => `${other} of ${file}`);
    yield [`${name} of ${file}`, { comments: commentsIn(body!), parents: spread }];
  }
  for (const [, name, list] of text.matchAll(names)) {
    yield [name!, { comments: new Map(), parents: parentsIn(list!) }];
  }
}

/** The comments right before keys that stand one level in. */
function commentsIn(body: string): ReadonlyMap<string, string> {
  const indent = /^( +)\S/m.exec(body)?.[1] ?? '';
  const pattern = new RegExp(`^${indent}/\\*\\*([^]*?)\\*/\\s*^${indent}(?:readonly )?(\\w+)\\??:`, 'gm');
  const found = [...body.matchAll(pattern)].map(([, comment, key]): [string, string] => [key!, oneLine(comment!)]);
  return new Map(found);
}

function oneLine(comment: string): string {
  return comment
    .replaceAll(/^\s*\*/gm, '')
    .replaceAll(/\{@link (\w+)\}/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
