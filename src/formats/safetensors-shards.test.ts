// Indexes of safetensors files in several parts, and what hostile ones name.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { safetensorsShards } from './safetensors-shards.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'shards-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes an index, of a text or of which tensor is where. */
function index(content: string | Record<string, unknown>): string {
  const path = join(folder, 'model.safetensors.index.json');
  const text =
    typeof content === 'string'
      ? content
      : JSON.stringify({ metadata: { total_size: 8, by: 'x' }, weight_map: content });
  writeFileSync(path, text);
  return path;
}

describe('an index of safetensors files', () => {
  it('says which tensors are in which file of its folder, through links as in the caches of hubs', () => {
    mkdirSync(join(folder, 'blobs'));
    writeFileSync(join(folder, 'blobs', '0'), '');
    symlinkSync(join('blobs', '0'), join(folder, '1.safetensors'));
    writeFileSync(join(folder, '2.safetensors'), '');
    const { files, metadata } = safetensorsShards(
      index({ a: '1.safetensors', b: '2.safetensors', c: '1.safetensors' }),
    );
    expect([...files]).toEqual([
      [join(folder, '1.safetensors'), new Set(['a', 'c'])],
      [join(folder, '2.safetensors'), new Set(['b'])],
    ]);
    expect({ ...metadata }).toEqual({ total_size: '8', by: 'x' });
  });

  it.each(['../1.safetensors', '/etc/passwd', 'a/b', String.raw`..\b`, '..', '.', '', 'a\0b'])(
    'is refused where it names %j',
    (name) => {
      expect(() => safetensorsShards(index({ w: name }))).toThrow(refusal('name', JSON.stringify(name), '"w"'));
    },
  );

  it.each([
    ['no map', '{"metadata":{}}', 'missing-field'],
    ['a map twice over', '{"weight_map":{"a":"1","a":"1"}}', 'duplicate-key'],
    ['a number for a file', '{"weight_map":{"a":1}}', 'syntax'],
    ['a list', '[]', 'syntax'],
    ['no end', '{"weight_map":{', 'syntax'],
    ['more behind it', '{"weight_map":{}} x', 'syntax'],
  ] as const)('is refused with %s', (_, text, code) => {
    expect(() => safetensorsShards(index(text))).toThrow(refusal(code, 'index.json'));
  });

  it('is refused where files are missing, are folders, or are links in a circle', () => {
    mkdirSync(join(folder, 'folder'));
    symlinkSync('circle', join(folder, 'circle'));
    const map = { a: 'lost', b: 'folder', c: 'circle' };
    expect(() => safetensorsShards(index(map))).toThrow(refusal('missing-field', 'lost', 'folder', 'circle'));
  });
});
