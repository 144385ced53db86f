// The packed tarball, installed into an empty folder: the short form of `npm run prove:package`, which needs no network.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

const tool = fileURLToPath(new URL('../tools/prove-package.mjs', import.meta.url));

it('works from the tarball, in an empty folder', () => {
  const { stdout, stderr } = spawnSync(process.execPath, [tool, '--offline'], { encoding: 'utf8' });
  expect(stdout + stderr).toMatch(/\d+ passed, 0 failed\n$/);
  expect([...stdout.matchAll(/^ok {6}(.*) \([\d.]+ s\)$/gm)].map(([, step]) => step)).toEqual([
    'what is in the package: size, links',
    'install',
    'before the setup the error says what to do',
    'retort setup',
    'ESM, CommonJS, a lazy engine',
    'retort doctor',
    'without a home and a cache',
    'a second installation takes the addon from the cache',
    'vitest, threads and forks',
    'esbuild, the addon outside',
    'TypeScript at hand',
  ]);
}, 300_000);
