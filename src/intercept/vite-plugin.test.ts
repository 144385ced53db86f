import { join } from 'node:path';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { createViteServer } from 'vitest/node';

import { functionTarget } from './taps.ts';
import { writeFiles } from './testing/modules.ts';
import { retortTaps } from './vite-plugin.ts';

it('makes the named modules tappable in what vite runs, and no others', async () => {
  const root = writeFiles({
    'head.ts': `const assign = (x: number): number => x + 1;\nexport default assign;\nexport const both = (x: number): number[] => [assign(x)];`,
    'other.ts': 'export const fn = (): number => 1;',
    'main.ts': `import assign, { both } from './head.ts'; import { fn } from './other.ts'; export const run = (): unknown[] => [assign(1), both(2), fn()];`,
  });
  const server = await createViteServer({
    configFile: false,
    root,
    logLevel: 'silent',
    server: { middlewareMode: true, ws: false, watch: null },
    plugins: [retortTaps({ modules: ['head.ts'], folder: root })],
  });
  try {
    const { run } = (await server.ssrLoadModule('/main.ts')) as { run: () => unknown[] };
    expect(run()).toEqual([2, [3], 1]);
    const seen: unknown[] = [];
    using tap = functionTarget('head.ts#assign', { folder: root }).tap(({ args }, next) => {
      seen.push(...args);
      return next();
    }, 'observe');
    expect(run()).toEqual([2, [3], 1]);
    expect(seen).toEqual([1, 2]);
    expect(() => functionTarget('other.ts#fn', { folder: root })).toThrow(refusal('invalid-state', 'other.ts'));
    void tap;
  } finally {
    await server.close();
  }
});

it('leaves a module it cannot read, with a warning, and ids that are no files', () => {
  const folder = writeFiles({ 'odd.ts': '' });
  const plugin = retortTaps({ modules: 'all-of-folder', folder });
  const warnings: string[] = [];
  const context = { warn: (message: string) => void warnings.push(message) };
  expect(plugin.transform.call(context, 'const a: number = 1', join(folder, 'odd.ts'))).toBeUndefined();
  expect(warnings[0]).toMatch(/odd\.ts cannot be tapped, its text could not be read: Unexpected token/);
  expect(plugin.transform.call(context, 'const a = 1', '\0virtual')).toBeUndefined();
  expect(plugin.transform.call(context, 'const a = 1', '/@id/none')).toBeUndefined();
  expect(plugin.transform.call(context, 'const a = 1', join(folder, 'odd.ts?v=1'))?.code).toContain('let   a = 1');
});
