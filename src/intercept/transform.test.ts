import { join } from 'node:path';

import { expect, it } from 'vitest';

import { importFile, writeFiles, writeTapped } from './testing/modules.ts';
import { transform } from './transform.ts';

/** The text of the module, which must be readable, without the line that publishes. */
function changed(source: string): string {
  const result = transform(source, 'file:///m.js');
  if ('failure' in result) throw new Error(result.failure);
  const lines = result.code.split('\n');
  const published = lines.findIndex((line) => line.startsWith(';'));
  expect(published).toBeGreaterThanOrEqual(0);
  return lines.toSpliced(published, 1).join('\n');
}

it('turns top-level const into let of the same length, and nothing else', () => {
  const source = [
    '#!/usr/bin/env node',
    '"use strict";',
    'export const a = 1, { b, c: [d = 2, ...e], ...f } = {}; const g = () => { const inner = 1; return inner; };',
    'for (const x of []) { const y = x; }',
    '{ const block = 1; }',
    'let text = "const z = 1";',
    '',
  ].join('\n');
  const code = changed(source);
  expect(code.length).toBe(source.length + 1);
  expect(code.replaceAll('let  ', 'const').trimEnd()).toBe(source.trimEnd());
  expect(code).toContain('export let   a = 1');
  expect(code).toContain('; let   g = () => { const inner');
  expect(code).toContain('for (const x of []) { const y');
  expect(code).toContain('{ const block');
});

it('keeps the comment that names the source map last, and line ends as they are', () => {
  const comment = '//# sourceMappingURL=data:application/json;base64,e30=';
  const result = transform(`const a = 1;\r\nconst b = 2;\r\n${comment}`, 'file:///m.js') as { code: string };
  expect(result.code.endsWith(`\n${comment}`)).toBe(true);
  expect(result.code.startsWith('let   a = 1;\r\nlet   b = 2;\r\n')).toBe(true);
});

it('does nothing to a module that is transformed already', () => {
  const once = transform('export const a = 1;', 'file:///m.js') as { code: string };
  expect(transform(once.code, 'file:///m.js')).toEqual(once);
});

it('says why a text cannot be read', () => {
  expect(transform('const a: number = 1;', 'file:///m.js')).toEqual({
    failure: expect.stringMatching(/Unexpected token \(1:7\)/),
  });
});

it('keeps what a module does: bindings, exports, shadowed globals, names of its own', async () => {
  const text = `#!/usr/bin/env node
import { sep as Symbol } from 'node:path';
export { sep } from 'node:path';
export * from './other.js'
export * as other from './other.js';
export { "a b" as renamed } from './other.js';
var twice = 1; var twice = 2;
const globalThis = 'mine', $value = 1, __proto__ = 2;
export function fn() { return [globalThis, Symbol, twice, $value, $from, __proto__]; }
let $from = 'from';
fn = fn;
export class Sealed { static { this.ready = true; } }
export default fn // no semicolon
await 0;
export let awaited = await 5
// last line`;
  const other = `export const elsewhere = 1; const odd = 2; export { odd as "a b" }; export default class { m() {} }`;
  const plain = await importFile(join(writeFiles({ 'm.js': text, 'other.js': other }), 'm.js'));
  const tapped = await importFile(join(writeTapped({ 'm.js': text, 'other.js': other }), 'm.js'));
  expect(Object.keys(tapped)).toEqual(Object.keys(plain));
  expect(tapped['fn']!()).toEqual(plain['fn']!());
  expect(tapped['default']).toBe(tapped['fn']);
  expect(tapped).toMatchObject({ awaited: 5, renamed: 2, sep: '/', elsewhere: 1 });
});

it('makes assignments reach a default export by name', () => {
  expect(changed('const f = () => 1;\nexport default\n  f;\nf();')).toBe(
    'let   f = () => 1;\nexport { f as default };\n\nf();\n',
  );
  expect(changed("import f from './f.js';\nexport default f\nf();")).toBe(
    "import f from './f.js';\nexport { f as default };\nf();\n",
  );
  expect(changed('export default globalThis;')).toBe('export default globalThis;\n');
  expect(changed('export default (1, 2);')).toBe('export default (1, 2);\n');
});
