// Which addon is loaded, and what is said where none can be: searches in folders made here, and programs in processes of their own.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { version } from '../src/version.ts';
import { cachedAddons, cacheFolder, storeAddon } from '../tools/addon-cache.mjs';
import {
  explain,
  findAddon,
  hashSources,
  mismatch,
  platformHelp,
  platformProblem,
  readAddon,
  seal,
} from '../tools/addon-file.mjs';
import type { AddonRecord } from '../tools/addon-file.mjs';

const root = resolve(import.meta.dirname, '..');
const own = join(root, 'build/retort.node');
const built = readAddon(own) as AddonRecord;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-addon-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An addon that says of itself what the real one does, but for `facts`. */
function addon(file: string, facts: Partial<AddonRecord> = {}): string {
  const { sha256: _, ...record } = { ...built, ...facts };
  writeFileSync(file, seal(Buffer.from('a library'), record));
  return file;
}

it('commands are typed as the current folder wants them', () => {
  const tools = resolve('tools/addon-file.mjs');
  const typed = (cwd: string): string[] =>
    JSON.parse(
      spawnSync(
        process.execPath,
        [
          '--input-type=module',
          '--eval',
          `import * as addon from ${JSON.stringify(tools)};
console.log(JSON.stringify([addon.retortCommand('list'), addon.setupCommand(), addon.doctorCommand()]));`,
        ],
        { cwd, encoding: 'utf8' },
      ).stdout,
    ) as string[];
  expect(typed('.')).toEqual(['node dist/cli/main.js list', 'npm run build', 'npm run doctor']);
  expect(typed('src/torch')).toEqual(['node ../../dist/cli/main.js list', 'npm run build', 'npm run doctor']);
  const [list, setup, doctor] = typed(tmpdir());
  expect(list).toMatch(/^node \S+\/dist\/cli\/main\.js list$/);
  expect([setup, doctor]).toEqual([
    expect.stringMatching(/^npm --prefix \S+ run build$/),
    expect.stringMatching(/^npm --prefix \S+ run doctor$/),
  ]);
  const [, script = ''] = list!.split(' ');
  expect(resolve(tmpdir(), script)).toBe(resolve('dist/cli/main.js'));
});

it('the version is that of package.json', () => {
  expect((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version).toBe(version);
});

describe('an addon on the disk', () => {
  it('says what it was built from, wherever it is copied to', () => {
    expect(built.retort).toBe(version);
    expect(built.node.abi).toBe(process.versions.modules);
    copyFileSync(own, join(folder, 'copied.node'));
    expect(readAddon(join(folder, 'copied.node'))).toEqual(built);
  });

  it('is refused when it is missing, strange, cut or damaged', () => {
    const file = addon(join(folder, 'a.node'));
    const bytes = readFileSync(file);
    expect(readAddon(join(folder, 'none.node'))).toBe('there is no such file');
    expect(readAddon(folder)).toMatch(/it cannot be read: EISDIR/);
    for (const content of [Buffer.alloc(0), Buffer.from('ELF'), bytes.subarray(0, -1), bytes.subarray(-30)]) {
      writeFileSync(file, content);
      expect(readAddon(file)).toBe('it is no addon of Retort, or not a whole one');
    }
    bytes[0]! ^= 1;
    writeFileSync(file, bytes);
    expect(readAddon(file)).toBe('it is damaged: its hash is another one');
  });

  it('fits one Retort, one Node, one system and one libtorch', () => {
    const { libtorch, node } = built;
    expect(mismatch(built, version)).toBeUndefined();
    expect(mismatch(built, '9.0.0')).toBe(`it was built for Retort ${version}, and this is Retort 9.0.0`);
    const cases: [Partial<AddonRecord>, RegExp][] = [
      [{ platform: 'linux-riscv64' }, /built for linux-riscv64, and this is linux-/],
      [{ sources: 'others' }, /built from other native sources/],
      [{ node: { version: '18.0.0', abi: '108' } }, /built for Node 18.0.0 \(ABI 108\), and this is Node \d+/],
      [
        { libtorch: { ...libtorch, file: '/nowhere/libtorch_cpu.so' } },
        /against libtorch .* in \/nowhere, which is gone/,
      ],
      [{ libtorch: { ...libtorch, size: 1 } }, /the libtorch in .* has changed since/],
      [{ libtorch: { ...libtorch, mtimeMs: 1 } }, /the libtorch in .* has changed since/],
    ];
    for (const [facts, words] of cases) expect(mismatch({ ...built, ...facts }, version)).toMatch(words);
    expect(mismatch({ ...built, node: { ...node, version: '20.19.0' } }, version)).toBeUndefined();
  });

  it('changes with the native sources', () => {
    expect(hashSources()).toBe(hashSources(join(root, 'native')));
    writeFileSync(join(folder, 'addon.cc'), 'int a;');
    const before = hashSources(folder);
    writeFileSync(join(folder, 'addon.cc.orig'), 'of an editor');
    expect(hashSources(folder)).toBe(before);
    writeFileSync(join(folder, 'addon.cc'), 'int b;');
    expect(hashSources(folder)).not.toBe(before);
  });
});

describe('the search', () => {
  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({ XDG_CACHE_HOME: folder, ...more });
  const cache = (name: string, facts?: Partial<AddonRecord>): string => {
    mkdirSync(join(folder, 'retort-kd'), { recursive: true });
    return addon(join(folder, 'retort-kd', name), facts);
  };

  it('takes the one that RETORT_ADDON names, or none', () => {
    const file = addon(join(folder, 'mine.node'));
    expect(findAddon(version, environment({ RETORT_ADDON: file })).chosen).toMatchObject({
      file,
      origin: 'RETORT_ADDON',
    });
    const search = findAddon(version, environment({ RETORT_ADDON: join(folder, 'none.node') }));
    expect(search.chosen).toBeUndefined();
    expect(explain(search)).toEqual({
      message: `RETORT_ADDON is ${join(folder, 'none.node')}, which cannot be used: there is no such file`,
      help: 'name another file, or unset RETORT_ADDON and run `npm run build`',
    });
    expect(findAddon(version, environment({ RETORT_ADDON: '' })).chosen?.origin).toBe('package');
  });

  it("takes the package's own, else the one in the cache that was used last and fits", () => {
    expect(findAddon(version, environment()).chosen).toMatchObject({ file: own, origin: 'package' });
    // To a newer version the package's own is too old.
    const next = { retort: '9.0.0' };
    cache('older.node', { ...next, node: { version: '18.0.0', abi: '108' } });
    const fits = cache('fits.node', next);
    const last = cache('last.node', next);
    utimesSync(fits, 1000, 1000);
    writeFileSync(join(folder, 'retort-kd/piece.node.tmp'), '');
    const search = findAddon('9.0.0', environment());
    expect(search.chosen).toMatchObject({ file: last, origin: 'cache' });
    expect(search.candidates[0]!.problem).toBe(`it was built for Retort ${version}, and this is Retort 9.0.0`);
    rmSync(last);
    expect(findAddon('9.0.0', environment()).chosen?.file).toBe(fits);
  });

  it('takes nothing from a cache that all can write to', () => {
    const file = cache('a.node', { retort: '9.0.0' });
    chmodSync(file, 0o666);
    const { chosen, candidates } = findAddon('9.0.0', environment());
    expect(chosen).toBeUndefined();
    expect(candidates.at(-1)!.problem).toMatch(/can be written by all/);
  });

  it('holds to the libtorch that the environment names', () => {
    const search = findAddon(version, environment({ RETORT_LIBTORCH: '/opt/other' }));
    expect(search.candidates[0]!.problem).toMatch(/built against .*, and RETORT_LIBTORCH is \/opt\/other/);
    expect(explain(search).message).toMatch(
      /^there is no native addon that fits:\n {2}.*retort.node: it was built against/,
    );
  });

  it('knows the cache by its specification', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/retort-kd');
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/^\/.*\.cache\/retort-kd$/);
    expect(cachedAddons({ XDG_CACHE_HOME: join(folder, 'none') })).toEqual([]);
  });
});

describe('the cache', () => {
  const store = (facts: Partial<AddonRecord>): string =>
    storeAddon(
      seal(Buffer.from('a library'), { ...built, ...facts }),
      { ...built, ...facts },
      { XDG_CACHE_HOME: folder },
    )!;

  it('keeps those used last, each under a name for people, and no stale pieces', () => {
    const pieces = ['stale', 'fresh'].map((name) => join(folder, `retort-kd/${name}.node.tmp`));
    const files = Array.from({ length: 8 }, (_, i) => store({ key: String(i).repeat(64) }));
    expect(files[0]).toMatch(/\/[\d.]+-linux-\w+-node\d+-libtorch[\d.]+-0{16}\.node$/);
    for (const [i, file] of files.entries()) utimesSync(file, 2000 - i, 2000 - i);
    for (const piece of pieces) writeFileSync(piece, '');
    utimesSync(pieces[0]!, 1, 1);
    const last = store({ key: 'f'.repeat(64) });
    expect(cachedAddons({ XDG_CACHE_HOME: folder })).toEqual([last, ...files.slice(0, 7)]);
    expect(pieces.map((piece) => existsSync(piece))).toEqual([false, true]);
  });

  it('is whole at every moment while two write to it', async () => {
    const file = store({});
    const program = `
      import { readFileSync } from 'node:fs';
      import { storeAddon } from ${JSON.stringify(join(root, 'tools/addon-cache.mjs'))};
      import { readAddon } from ${JSON.stringify(join(root, 'tools/addon-file.mjs'))};
      const file = ${JSON.stringify(file)};
      const [bytes, record] = [readFileSync(file), readAddon(file)];
      for (let i = 0; i < 100; i++) storeAddon(bytes, record);`;
    const env = { ...process.env, XDG_CACHE_HOME: folder };
    const writers = [1, 2].map(() => spawn(process.execPath, ['--input-type=module', '-e', program], { env }));
    const codes = Promise.all(writers.map((child) => new Promise((done) => child.on('close', done))));
    while (writers.some(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
      expect(readAddon(file)).toMatchObject({ key: built.key });
      await setImmediate();
    }
    expect(await codes).toEqual([0, 0]);
    expect(readdirSync(join(folder, 'retort-kd'))).toHaveLength(1);
  });

  it('need not be there', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(storeAddon(Buffer.from(''), built, { XDG_CACHE_HOME: join(folder, 'file') })).toBeUndefined();
  });
});

it.each([
  ['darwin', 'Retort runs on Linux with glibc, and this is macOS'],
  ['win32', 'Retort runs on Linux with glibc, and this is Windows'],
  ['linux', undefined],
])('on %s', (platform, problem) => {
  const before = Object.getOwnPropertyDescriptor(process, 'platform')!;
  Object.defineProperty(process, 'platform', { ...before, value: platform });
  try {
    expect(platformProblem()).toBe(problem);
    if (problem !== undefined) {
      expect(explain({ chosen: undefined, candidates: [] })).toEqual({ message: problem, help: platformHelp });
    }
  } finally {
    Object.defineProperty(process, 'platform', before);
  }
});

it('an engine without its addon says what to run', () => {
  const program =
    "import { tensor } from 'retort-kd'; try { tensor([1]) } catch (e) { console.log(e.name, e.message) }";
  const run = (RETORT_ADDON: string): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, RETORT_ADDON },
    }).stdout;
  expect(run('/nowhere/retort.node')).toBe(
    'RetortError RETORT_ADDON is /nowhere/retort.node, which cannot be used: there is no such file\n' +
      '  help: name another file, or unset RETORT_ADDON and run `npm run build`\n',
  );
  expect(run(addon(join(folder, 'no-library.node')))).toMatch(
    /^RetortError the native addon .*no-library.node does not load: .*\n {2}help: `npm run doctor` says what is missing/,
  );
});
