// `retort list [KIND | NAME]`: what configs can name, one a line, with the paper; of a name its options, with types, defaults and comments.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { retortCommand } from '../../tools/addon-file.mjs';
import type { DistillLoss } from '../distill/losses/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { defOf, descriptionOf, unwrapped } from '../registry/index.ts';
import type { Entry } from '../registry/index.ts';
import { registries } from '../runner/index.ts';
import type { KnownRegistry } from '../runner/index.ts';
import { optionComments } from './option-comments.ts';
import { topics } from './topics.ts';
import { defaultOf, isOptional, requiredExample, typeText } from './schema-text.ts';

const known: readonly (readonly [string, KnownRegistry])[] = Object.entries(registries);

/** Where things of a registry are declared, for the comments of their options. */
const folders: Readonly<Record<keyof typeof registries, string>> = {
  activations: 'nn/layers',
  algorithms: 'distill/algorithms',
  backbones: 'models/backbones',
  connectors: 'distill/connectors',
  datasets: 'data/datasets',
  deliveries: 'distill/deliveries',
  distillers: 'distill/distillers',
  evaluators: 'engine/evaluators',
  generators: 'models/generators',
  headLosses: 'models/heads/losses',
  heads: 'models/heads',
  hooks: 'engine/hooks',
  initializers: 'nn',
  layers: 'nn/layers',
  losses: 'distill/losses',
  models: 'models/classifiers',
  necks: 'models/necks',
  norms: 'nn/layers',
  optimizers: 'optim',
  recorders: 'distill/recorders',
  schedulers: 'optim',
  transforms: 'data/transforms',
};

interface Row {
  kind: string;
  name: string;
  summary: string;
  paper?: string;
}

export const list = new Command('list')
  .description('list what configs can name, or show the options of one')
  .argument('[what]', `a kind (${known.map(([name]) => name).join(', ')}), or a name, such as KLDivergence`)
  .option('--search <words>', 'only those in whose name, summary, paper or topics each of the words occurs')
  .option('--json', 'print as JSON')
  .action((what, { search, json }) => {
    const kind = what === undefined ? undefined : kindNamed(what);
    if (what !== undefined && kind === undefined) return print(json, thingsNamed(what), shownThings);
    const rows = known
      .filter(([name]) => kind === undefined || name === kind)
      .flatMap(([name, one]) => rowsOf(name, one));
    if (search === undefined) return print(json, rows, shownRows);
    const found = matching(rows, search);
    if (found.length > 0)
      return print(
        json,
        found.map(({ topics: _topics, ...row }) => row),
        shownRows,
      );
    throw nothingFound(rows, search, kind);
  });

function print<T>(json: true | undefined, found: T, shown: (found: T) => string): void {
  process.stdout.write(json === true ? `${JSON.stringify(found, null, 2)}\n` : shown(found));
}

/** The kind that somebody means by `losses`, `loss` or `Losses`. */
function kindNamed(what: string): string | undefined {
  const wanted = what.toLowerCase();
  return known.find(([name, { kind }]) => [name.toLowerCase(), kind.toLowerCase()].includes(wanted))?.[0];
}

type FullRow = Row & { topics: string };

function rowsOf(kind: string, { entries }: KnownRegistry): FullRow[] {
  return Object.entries(entries)
    .map(([name, { summary, paper }]) => ({
      ...{ kind, name, summary, ...(paper === undefined ? {} : { paper }) },
      topics: topics[name] ?? '',
    }))
    .toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** The rows in which every word occurs, those first that have them in their names. */
function matching(rows: readonly FullRow[], search: string): FullRow[] {
  const words = wordsOf(search);
  return rows
    .filter(({ name, summary, paper = '', topics }) => {
      const text = `${name} ${summary} ${paper} ${topics}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .toSorted((a, b) => hits(b.name, words) - hits(a.name, words));
}

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
const hits = (name: string, words: readonly string[]): number =>
  words.filter((word) => name.toLowerCase().includes(word)).length;

function nothingFound(rows: readonly FullRow[], search: string, kind: string | undefined): RetortError {
  const texts = rows.map(({ name, summary, topics }) => `${name} ${summary} ${topics}`).join(' ');
  const near = wordsOf(search).map((word) => didYouMean(word, new Set(texts.match(/[\p{L}\d]{3,}/gu))));
  const [hint = ''] = near.filter((text) => text.startsWith('did you mean'));
  return new RetortError(`nothing in ${kind ?? 'all kinds'} matches "${search}"${hint === '' ? '' : `; ${hint}`}`, {
    code: 'unknown-name',
    help: `${retortCommand(kind === undefined ? 'list' : `list ${kind}`)} lists all of them`,
  });
}

interface Thing extends Row {
  options: readonly { name: string; type: string; required: boolean; default?: string; comment?: string }[];
  /** What a loss takes, by the names that mappings use. */
  arguments?: readonly string[];
  /** A config of it, with what must be given. */
  example: Record<string, unknown>;
}

/** Things of a name, which may be in several registries. @throws {RetortError} when there is none. */
export function thingsNamed(what: string): Thing[] {
  const wanted = what.toLowerCase();
  const found = known.flatMap(([kind, { entries }]) =>
    Object.entries(entries).flatMap(([name, one]) => (name.toLowerCase() === wanted ? [thing(kind, name, one)] : [])),
  );
  if (found.length > 0) return found;
  const names = known.flatMap(([kind, registry]) => [kind, ...Object.keys(registry.entries)]);
  throw new RetortError(`retort list: "${what}" is neither a kind nor a name; ${didYouMean(what, new Set(names))}`, {
    code: 'unknown-name',
    help: `kinds are ${known.map(([kind]) => kind).join(', ')}; ${retortCommand(`list --search ${what}`)} looks in summaries too`,
  });
}

function thing(kind: string, name: string, entry: Entry<unknown>): Thing {
  const { summary, paper, schema } = entry;
  const shape = defOf(unwrapped(schema)).shape ?? {};
  const comments = optionComments(name, folders[kind as keyof typeof folders], Object.keys(shape));
  const options = Object.entries(shape).map(([option, one]) => {
    const comment = descriptionOf(one) ?? comments.get(option);
    const usual = defaultOf(one);
    return {
      ...{ name: option, type: typeText(one), required: !isOptional(one) },
      ...(usual === undefined ? {} : { default: usual }),
      ...(comment === undefined ? {} : { comment }),
    };
  });
  const example = { type: name, ...requiredExample(shape) };
  const args = kind === 'losses' ? argumentsOf(entry, example) : undefined;
  const about = { kind, name, summary, ...(paper === undefined ? {} : { paper }) };
  return { ...about, options, ...(args === undefined ? {} : { arguments: args }), example };
}

/** The arguments of a loss; they are those of an instance, which not every machine can make. */
function argumentsOf(
  entry: Entry<unknown>,
  { type: _type, ...options }: Record<string, unknown>,
): string[] | undefined {
  try {
    const { inputs } = entry.build(options, '') as DistillLoss;
    return [...inputs.required, ...(inputs.optional ?? []).map((name) => `${name}?`)];
  } catch {
    return undefined;
  }
}

function shownThings(things: readonly Thing[]): string {
  return things.map(shownThing).join('\n');
}

function shownThing({ kind, name, summary, paper, options, arguments: args, example }: Thing): string {
  const lines = [`${pc.bold(name)} ${pc.dim(`(${kind})`)}`, `  ${summary}`];
  if (paper !== undefined) lines.push(pc.dim(`  ${paper}`));
  lines.push('', pc.bold(options.length === 0 ? 'no options' : 'options'));
  for (const { name, type, required, default: usual, comment } of options) {
    const told = comment !== undefined && /\bdefault\b/i.test(comment);
    const state = required ? pc.yellow(' (required)') : usual === undefined || told ? '' : `, default ${usual}`;
    lines.push(`  ${pc.cyan(name)}: ${type}${state}`);
    if (comment !== undefined) lines.push(...wrapped(comment, 96).map((line) => `      ${line}`));
  }
  if (args !== undefined) lines.push('', pc.bold('arguments'), `  ${args.join(', ')}`);
  lines.push('', pc.bold('as a config'), `  ${inConfig(example)}`);
  return `${lines.join('\n')}\n`;
}

/** `{ type: 'KLDivergence', tau: 2 }` */
function inConfig(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inConfig).join(', ')}]`;
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, one]) => `${key}: ${inConfig(one)}`);
  return `{ ${entries.join(', ')} }`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    if (lines.at(-1) !== '' && `${lines.at(-1)} ${word}`.length > width) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
  }
  return lines;
}

function shownRows(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines: string[] = [];
  for (const kind of new Set(rows.map((row) => row.kind))) {
    const own = rows.filter((row) => row.kind === kind);
    lines.push(...(lines.length === 0 ? [] : ['']), pc.bold(`${kind} (${own.length})`));
    for (const { name, summary, paper } of own) {
      lines.push(`  ${pc.cyan(name.padEnd(width))}  ${summary}${paper === undefined ? '' : pc.dim(`  ${paper}`)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
