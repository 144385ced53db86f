// The documents in docs/ say what is there: code stands word for word in a program that runs and prints what it says, names,
// import paths and links exist, tables list what is registered.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';

import { datasets, transforms } from '../src/data/index.ts';
import { algorithms } from '../src/distill/algorithms/index.ts';
import { connectors } from '../src/distill/connectors/index.ts';
import { deliveries } from '../src/distill/deliveries/index.ts';
import { distillers } from '../src/distill/distillers/index.ts';
import { losses } from '../src/distill/losses/index.ts';
import { recorders } from '../src/distill/recorders/index.ts';
import { evaluators, hooks } from '../src/engine/index.ts';
import { generators } from '../src/models/generators/index.ts';
import { backbones, heads, models, necks } from '../src/models/index.ts';
import type { Entry, Table } from '../src/registry/index.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const filesBelow = (folder: string, end: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name))
    .toSorted();

const documents = ['README.md', ...filesBelow('docs', '.md')];
/** These speak of what is inside, and of Python: their code and names are not those of programs. */
const inward = ['docs/architecture.md', 'docs/configs.md'];
const outward = documents.filter((path) => !inward.includes(path));
const programs = filesBelow('examples', '.ts').filter((path) => /tutorial-|own-modules/.test(path));
const registries: readonly { names(): string[]; entries: Table<unknown> }[] = [
  ...[algorithms, backbones, connectors, datasets, deliveries, distillers, evaluators, generators, heads, hooks],
  ...[losses, models, necks, recorders, transforms],
];

/** Subpath, such as `retort-kd/nn`, to its source. */
const subpaths = new Map(
  Object.entries((JSON.parse(read('package.json')) as { exports: Record<string, unknown> }).exports)
    .filter((one): one is [string, { default: string }] => typeof one[1] === 'object')
    .map(([path, { default: file }]) => [
      path.replace('.', 'retort-kd'),
      file.replace('./dist/', 'src/').replace(/\.js$/, '.ts'),
    ]),
);

/** The text between fences of a language. */
function blocks(document: string, language: string): string[] {
  return [...read(document).matchAll(/^ *```(\w*)\n([^]*?)^ *```$/gm)].flatMap(([, kind, text]) =>
    kind === language ? [text!] : [],
  );
}

/** Without indentation and empty lines, so that a part of a program may stand further left. */
const bare = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');

describe('code', () => {
  const written = [...programs, ...filesBelow('recipes', '.ts'), 'test/leaks.ts'].map((path) => bare(read(path)));

  it.each(outward)('of %s stands word for word in a program', (document) => {
    const strange = blocks(document, 'ts').filter((block) => {
      const parts = bare(block).split(/^\/\/ \.\.\.$/m); // `// ...` leaves something out
      return !written.some((text) => {
        let at = 0;
        return parts.every((part) => {
          const next = text.indexOf(part.trim(), at);
          at = next + part.trim().length;
          return next >= 0;
        });
      });
    });
    expect(strange).toEqual([]);
  });

  describe('of the tutorial', () => {
    let folder = '';
    let printed = new Map<string, string>();
    let errors = '';

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'retort-docs-'));
      const paths = Object.fromEntries([...subpaths].map(([path, file]) => [path, [join(root, file)]]));
      const settings = join(folder, 'tsconfig.json');
      writeFileSync(settings, JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2022', paths } }));
      const main = join(folder, 'main.mjs');
      const run = (path: string): string =>
        `console.log(${JSON.stringify(`=== ${path}`)});\nawait import(${JSON.stringify(join(root, path))});`;
      writeFileSync(main, programs.map(run).join('\n'));
      const env = { ...process.env, TSX_TSCONFIG_PATH: settings, NO_COLOR: '1' };
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', '--import', import.meta.resolve('tsx'), main],
        {
          encoding: 'utf8',
          cwd: folder,
          env,
        },
      );
      errors = stderr;
      printed = new Map(
        stdout
          .split(/^=== /m)
          .slice(1)
          .map((part) => {
            const end = part.indexOf('\n');
            return [part.slice(0, end), part.slice(end + 1).trimEnd()];
          }),
      );
    }, 60_000);
    afterAll(() => rmSync(folder, { recursive: true }));

    it('runs without a word on stderr', () => {
      expect(errors).toBe('');
      expect([...printed.keys()]).toEqual(programs);
    });

    it.each(programs)('%s prints what it says', (path) => {
      expect(printed.get(path)).toBe(saidToPrint(read(path)));
    });
  });
});

/** What the comments of a program say it prints: after `// prints:`, or else at the ends of lines. */
function saidToPrint(program: string): string {
  const [body, list] = program.split(/^\/\/ prints:\n/m);
  const atEnds = [...body!.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]!);
  if (list === undefined) return atEnds.join('\n');
  expect(atEnds, 'comments in both places').toEqual([]);
  return list.trimEnd().replaceAll(/^\/\/ ?/gm, '');
}

it('docs/environment.md has every variable that is read', () => {
  const text = read('docs/environment.md');
  const sources = [...filesBelow('src', '.ts'), ...filesBelow('tools', '.mjs')].filter(
    (path) => !path.endsWith('.test.ts'),
  );
  const own = /process\.env(?:\.|\[')([A-Z_]+)/g;
  const named = sources.flatMap((path) => [...read(path).matchAll(own)].map(([, name]) => name!));
  const general = new Set(['PATH', 'TERM', 'CXX']); // every program's
  expect(named.length).toBeGreaterThan(8);
  expect([...new Set(named)].filter((name) => !general.has(name) && !text.includes(`\`${name}\``))).toEqual([]);
});

describe('names', () => {
  const exported = new Set<string>();
  /** Functions, and methods of exported classes. */
  const callable = new Set<string>();
  beforeAll(async () => {
    for (const [path, file] of subpaths) {
      if (path === 'retort-kd/intercept/register') continue; // it does something
      for (const [name, value] of Object.entries((await import(join(root, file))) as Record<string, unknown>)) {
        exported.add(name);
        if (typeof value === 'object' && value !== null) for (const inner of Object.keys(value)) callable.add(inner);
        if (typeof value !== 'function') continue;
        callable.add(name);
        for (let at: unknown = value.prototype; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
          for (const method of Object.getOwnPropertyNames(at)) callable.add(method);
        }
      }
    }
    for (const registry of registries) for (const name of registry.names()) exported.add(name);
    for (const index of subpaths.values()) for (const name of typesOf(index)) exported.add(name);
  });
  /** Of the language, and of examples. */
  const foreign = new Set([
    'PAAHead',
    'alive()',
    'gc()',
    'Map',
    'Promise',
    'AbortSignal',
    'AsyncLocalStorage',
    'FinalizationRegistry',
  ]);

  it.each(outward)('in %s exist', (document) => {
    const text = read(document).replaceAll(/^ *```[^]*?^ *```$/gm, '');
    const unknown: string[] = [];
    for (const [, code] of text.matchAll(/`([^`\n]+)`/g)) {
      const name = /^([A-Z][A-Za-z\d]*[a-z][A-Za-z\d_]*)(?:\.\w+(?:\(.*)?)?(?:\(.*)?$/.exec(code!)?.[1];
      if (name !== undefined && !exported.has(name) && !foreign.has(name)) unknown.push(name);
      const called = /^(?:\w+\.)*([a-z]\w*)\(/.exec(code!)?.[1];
      if (called !== undefined && !callable.has(called) && !foreign.has(`${called}()`)) unknown.push(`${called}()`);
    }
    for (const [path] of read(document).matchAll(/(?<!node_modules\/)retort-kd\/[\w/-]+/g))
      if (!subpaths.has(path)) unknown.push(path);
    expect([...new Set(unknown)]).toEqual([]);
  });
});

/** The types that a file exports, and those of the files it exports whole. */
function typesOf(file: string): string[] {
  const text = read(file);
  const own = [...text.matchAll(/export type \{([^}]*)\}|export (?:interface|type) (\w+)/g)];
  const whole = [...text.matchAll(/export (?:type )?\* from '([^']+)'/g)];
  return [
    ...own.flatMap(([, list, one]) => (list ?? one!).match(/\w+/g) ?? []),
    ...whole.flatMap(([, path]) => typesOf(join(dirname(file), path!))),
  ];
}

const slug = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\d\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

it.each(documents)('links of %s lead somewhere', (document) => {
  const broken: string[] = [];
  for (const [, link] of read(document).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^\w+:/.test(link!)) continue;
    const [path, anchor] = link!.split('#') as [string, string?];
    const target = path === '' ? document : relative(root, resolve(root, dirname(document), path));
    if (!existsSync(join(root, target))) broken.push(link!);
    else if (anchor !== undefined) {
      const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map((match) => slug(match[1]!));
      if (!headings.includes(anchor)) broken.push(link!);
    }
  }
  expect(broken).toEqual([]);
});

describe('tables', () => {
  const common = ['lossWeight', 'compat', 'teacherDetach', 'initCfg'];
  const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ') || '-';
  const optionsOf = ({ schema }: Entry<unknown>): string =>
    code(Object.keys((schema as unknown as { shape: z.ZodRawShape }).shape).filter((name) => !common.includes(name)));
  /** The rows of a document's tables of so many columns whose first cell is a name. */
  const rowsOf = (document: string, columns: number): string[] =>
    [...read(document).matchAll(/^\| `[A-Z]\w*` \|.*$/gm)]
      .map(([row]) => row)
      .filter((row) => row.split(' | ').length === columns)
      .toSorted();

  /** What losses need at least, or to be small. */
  const needed: Readonly<Record<string, object>> = {
    AFDLoss: { sChannels: [1], tChannels: [1] },
    CRDLoss: { sampleN: 4, negNum: 1 },
    FGDLoss: { channels: 1 },
    StandardizedLogits: { loss: { type: 'KLDivergence' } },
    VIDLoss: { tChannels: 1 },
  };

  it('of losses.md have every loss once, as `retort list losses` has it', () => {
    const rows = Object.entries<Entry<unknown>>(losses.entries).map(([name, entry]) => {
      const { required, optional = [] } = losses.build({ type: name, ...needed[name] }).inputs;
      const args = code([...required, ...optional.map((one) => `${one}?`)]);
      return `| \`${name}\` | ${args} | ${optionsOf(entry)} | ${entry.summary} | ${entry.paper ?? '-'} |`;
    });
    expect(rowsOf('docs/losses.md', 5)).toEqual(rows.toSorted());
  });

  it('of connectors.md have every connector and generator once', () => {
    const rows = [connectors, generators].flatMap(({ entries }) =>
      Object.entries<Entry<unknown>>(entries).map(
        ([name, entry]) => `| \`${name}\` | ${optionsOf(entry)} | ${entry.summary} | ${entry.paper ?? '-'} |`,
      ),
    );
    expect(rowsOf('docs/connectors.md', 4)).toEqual(rows.toSorted());
  });

  it.each([
    ['data sets', datasets.entries],
    ['transforms', transforms.entries],
  ])('of data.md have every option of %s once, and say which are required', (_, entries) => {
    const names = Object.keys(entries);
    const rows = rowsOf('docs/data.md', 5).flatMap((row) => {
      const [name, option, , given] = row.slice(2, -2).split(' | ') as [string, string, string, string];
      return names.includes(name.slice(1, -1)) ? [`${name} ${option}${given === 'required' ? ' required' : ''}`] : [];
    });
    const options = Object.entries<Entry<unknown>>(entries).flatMap(([name, { schema }]) =>
      Object.entries((schema as unknown as { shape: Record<string, z.ZodType> }).shape).map(
        ([option, kind]) => `\`${name}\` \`${option}\`${kind._zod.optin === undefined ? ' required' : ''}`,
      ),
    );
    expect(rows.toSorted()).toEqual(options.toSorted());
  });

  it.each([
    ['algorithms.md', [...algorithms.names(), ...distillers.names(), ...hooks.names()]],
    ['recorders-and-deliveries.md', [...recorders.names(), ...deliveries.names()]],
  ])('of %s leave nothing out', (document, names) => {
    const text = read(join('docs', document));
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

it.each([
  ['pictures are what the source says', 'draw-pictures'],
  ['numbers are those of the sweeps', 'fill-tables'],
])('the %s', (_, tool) => {
  const { stderr } = spawnSync(process.execPath, [`tools/${tool}.mjs`, '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
});
