// The public surface: every subpath export is there after a build, and loads by the package's own name.
import { existsSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

const root = new URL('../', import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
};
const paths = Object.entries(exports).filter(
  (entry): entry is [string, { types: string; default: string }] => typeof entry[1] !== 'string',
);

it.each(paths)('%s', async (path, files) => {
  for (const file of Object.values(files)) expect(existsSync(new URL(file, root)), file).toBe(true);
  if (path === './intercept/register') return; // acts when it is loaded: src/intercept has its test
  const loaded = (await import(path.replace('.', 'retort-kd'))) as object;
  expect(Object.keys(loaded).length).toBeGreaterThan(0);
});
