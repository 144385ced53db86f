// Rows are found again as they were written, whoever wrote them, however that ended; and files that say nonsense are refused.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { RowStore } from './index.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'retort-rows-'));
});
const children: ChildProcess[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true, force: true });
});
const at = (name: string): string => path.join(folder, name);

const columns = [
  { name: 'a', bytes: 8 },
  { name: 'b', bytes: 3 },
];
/** What the row of a key holds, column by column. */
const rowOf = (view: number, sample: number): Uint8Array[] =>
  columns.map(({ bytes }, i) =>
    Uint8Array.from({ length: bytes }, (_, k) => (7 * view + 13 * sample + 31 * i + k) % 256),
  );
const rowsOf = (view: number, samples: readonly number[]): Uint8Array[] =>
  columns.map((_, i) => Buffer.concat(samples.map((sample) => rowOf(view, sample)[i]!)));
const put = (store: RowStore, view: number, samples: readonly number[]): void =>
  store.append(view, samples, rowsOf(view, samples));
/** The row of a key as it lies in the file; undefined where there is none. */
function got(store: RowStore, view: number, sample: number): Uint8Array[] | undefined {
  const place = store.find(view, sample);
  if (place === undefined) return undefined;
  store.require(place);
  const bytes = fs.readFileSync(place.segment.file);
  let start = 0;
  return columns.map(({ bytes: size }) => {
    const from = start + place.row * size;
    start += place.segment.capacity * size;
    return Uint8Array.from(bytes.subarray(from, from + size));
  });
}
const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const made = (): RowStore => RowStore.create(folder, columns, { of: 'a test' });

describe('rows', () => {
  it('are found again, in this process and by others', () => {
    const store = made();
    expect([got(store, 0, 3), store.count, store.views]).toEqual([undefined, 0, []]);
    put(store, 0, [3, 1, 700]);
    put(store, 2, [1]);
    for (const one of [store, RowStore.open(folder)]) {
      expect(one.about).toEqual({ of: 'a test' });
      expect([one.count, one.countOf(0), one.countOf(1), one.views]).toEqual([4, 3, 0, [0, 2]]);
      for (const [view, sample] of [
        [0, 3],
        [0, 1],
        [0, 700],
        [2, 1],
      ] as const) {
        expect(got(one, view, sample)).toEqual(rowOf(view, sample));
      }
      expect([one.find(0, 2), one.find(1, 1), one.find(0, 2 ** 27)]).toEqual([undefined, undefined, undefined]);
      expect(one.verify()).toEqual([]);
    }
  });

  it('fill one segment after the other, a batch in one', () => {
    const large = [{ name: 'a', bytes: 2 ** 22 }]; // 64 rows in a segment
    const store = RowStore.create(folder, large, null);
    const rows = (samples: readonly number[]): Uint8Array[] => [
      Buffer.alloc(2 ** 22 * samples.length, samples[0]! + 1),
    ];
    for (const samples of [range(40), range(40, 40), range(20, 80)]) store.append(0, samples, rows(samples));
    const names = fs.readdirSync(folder).filter((name) => name.endsWith('.rows'));
    expect(names).toEqual(['000001.rows', '000002.rows']);
    const other = RowStore.open(folder);
    expect(other.count).toBe(100);
    for (const [sample, file, row] of [
      [0, 1, 0],
      [39, 1, 39],
      [40, 2, 0],
      [99, 2, 59],
    ] as const) {
      const place = other.find(0, sample)!;
      expect([path.basename(place.segment.file), place.row]).toEqual([`00000${file}.rows`, row]);
      expect(() => other.require(place)).not.toThrow();
    }
    // More than a segment has room for, at once.
    store.append(1, range(70), rows(range(70)));
    expect(RowStore.open(folder).countOf(1)).toBe(70);
  }, 30_000);

  it('of one key may be written twice: one of them is found', () => {
    const store = made();
    put(store, 0, [5, 5, 6]);
    put(store, 0, [5]);
    expect(store.count).toBe(2);
    expect(got(store, 0, 5)).toEqual(rowOf(0, 5));
    expect(RowStore.open(folder).count).toBe(2);
  });

  it('of another process are found after a look', () => {
    const [store, other] = [made(), RowStore.open(folder)];
    put(store, 0, range(3));
    expect(other.count).toBe(0);
    other.refresh();
    put(other, 1, range(2));
    put(store, 0, [9]);
    for (const one of [store, other]) {
      one.refresh();
      expect([one.countOf(0), one.countOf(1)]).toEqual([4, 2]);
      expect(got(one, 0, 9)).toEqual(rowOf(0, 9));
      expect(got(one, 1, 1)).toEqual(rowOf(1, 1));
    }
  });

  it('are made where another machine is making them too, and none of its files is touched', () => {
    fs.writeFileSync(at('.retort-4194305.1-abcdef.tmp'), '');
    made();
    expect(fs.readdirSync(folder)).toEqual(['.retort-4194305.1-abcdef.tmp', 'cache.json']);
  });

  it('are looked for later where a disk without links has an index that is not written yet', () => {
    put(made(), 0, range(3));
    fs.writeFileSync(at('000002.index'), '');
    expect(RowStore.open(folder).count).toBe(3);
    expect(RowStore.inspect(folder).prune().files).toEqual([at('000002.index')]);
  });

  it('go on to be written where the store was made by another', () => {
    put(made(), 0, range(3));
    const second = RowStore.create(folder, columns, { of: 'something else' });
    expect([second.about, second.count]).toEqual([{ of: 'a test' }, 3]);
  });
});

describe('what was torn', () => {
  it('at the end of an index is as if it was never written, wherever it was cut', () => {
    const store = made();
    put(store, 0, range(3));
    const whole = fs.statSync(at('000001.index')).size;
    put(store, 0, range(2, 3));
    const bytes = fs.readFileSync(at('000001.index'));
    for (let length = whole; length <= bytes.length; length++) {
      fs.writeFileSync(at('000001.index'), bytes.subarray(0, length));
      const found = RowStore.open(folder);
      expect(found.count).toBe(length === bytes.length ? 5 : 3);
      expect(found.verify()).toEqual([]);
    }
  });

  it('is whole when the rest has come', () => {
    put(made(), 0, range(5));
    const bytes = fs.readFileSync(at('000001.index'));
    fs.writeFileSync(at('000001.index'), bytes.subarray(0, bytes.length - 7));
    const reader = RowStore.open(folder);
    expect(reader.count).toBe(0);
    fs.writeFileSync(at('000001.index'), bytes);
    reader.refresh();
    expect(reader.count).toBe(5);
  });

  it('never gives wrong rows, whichever byte of an index was changed', () => {
    put(made(), 0, range(3));
    const bytes = fs.readFileSync(at('000001.index'));
    for (let i = bytes.indexOf(10) + 1; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 0x41;
      fs.writeFileSync(at('000001.index'), changed);
      expect(RowStore.open(folder).count).toBe(0);
    }
  });
});

describe('damage', () => {
  const change = (name: string, position: number): void => {
    const bytes = fs.readFileSync(at(name));
    bytes[position]! ^= 1;
    fs.writeFileSync(at(name), bytes);
  };

  it('of rows is found when they are asked for, and dropped', () => {
    const store = made();
    put(store, 0, range(4));
    put(store, 0, range(4, 4));
    store.close();
    change('000001.rows', 5 * 8);
    const other = RowStore.open(folder);
    expect(got(other, 0, 0)).toEqual(rowOf(0, 0));
    expect(() => got(other, 0, 4)).toThrow(refusal('checksum', at('000001.rows'), 'rows 4 to 7', 'cache prune'));
    const seen: number[] = [];
    expect(other.verify((done) => void seen.push(done))).toEqual([
      { file: at('000001.rows'), what: expect.stringContaining('rows 4 to 7') as string, rows: 4 },
    ]);
    expect(seen).toEqual([4, 8]);
    expect(RowStore.inspect(folder).prune()).toEqual({ rows: 4, files: [], inUse: [] });
    const after = RowStore.open(folder);
    expect([after.count, after.verify(), after.find(0, 4)]).toEqual([4, [], undefined]);
    put(after, 0, range(4, 4));
    expect(got(RowStore.open(folder), 0, 5)).toEqual(rowOf(0, 5));
  });

  it('of whole files is refused, named, and dropped', () => {
    const store = made();
    put(store, 0, range(4));
    store.close();
    fs.truncateSync(at('000001.rows'), 100);
    fs.writeFileSync(at('000007.index'), 'nonsense\n');
    fs.writeFileSync(at('000009.rows'), 'of nobody');
    fs.writeFileSync(at('notes.txt'), 'mine');
    expect(() => RowStore.open(folder)).toThrow(refusal('size-mismatch', at('000001.rows'), 100, 'cache prune'));
    const found = RowStore.inspect(folder);
    expect(found.verify().map(({ file }) => path.basename(file))).toEqual(['000001.index', '000007.index']);
    const { files, inUse } = found.prune();
    const removed = files.map((file) => path.basename(file)).toSorted();
    // What a living process has made is left, whatever it looks like.
    expect(inUse.map((file) => path.basename(file))).toEqual(['000001.index']);
    expect(removed).toEqual(['000007.index', '000009.rows']);
    expect(fs.readdirSync(folder)).toEqual(['000001.index', '000001.rows', 'cache.json', 'notes.txt']);
  });

  it('is found where another process has removed the files, or made others of their names', () => {
    const store = made();
    put(store, 0, range(4));
    store.close();
    const reader = RowStore.open(folder);
    const { segment } = reader.find(0, 1)!;
    reader.require(reader.find(0, 1)!);
    expect(() => segment.requireThere()).not.toThrow();
    RowStore.inspect(folder).prune();
    expect(() => segment.requireThere()).not.toThrow();
    RowStore.remove(folder);
    const gone = refusal('checksum', at('000001.rows'), 'removed', '--resume');
    expect(() => segment.requireThere()).toThrow(gone);
    put(made(), 0, range(4));
    expect(() => segment.requireThere()).toThrow(gone);
  });

  it('is no reason to remove a store that is written, or what is none', () => {
    const store = made();
    put(store, 0, range(4));
    expect(() => RowStore.remove(folder)).toThrow(refusal('run-in-use', folder, '000001'));
    expect(store.prune()).toEqual({ rows: 0, files: [], inUse: [at('000001.index')] });
    store.close();
    fs.writeFileSync(at('notes.txt'), 'mine');
    RowStore.remove(folder);
    expect(fs.readdirSync(folder)).toEqual(['notes.txt']);
    expect(() => RowStore.remove(folder)).toThrow(refusal('not-found', 'cache.json'));
    fs.writeFileSync(at('cache.json'), '{"format":"mine"}');
    expect(() => RowStore.remove(folder)).toThrow(refusal('magic', 'cache.json'));
    expect(fs.readdirSync(folder)).toEqual(['cache.json', 'notes.txt']);
  });

  it('leaves a link to a folder, and the folder, where the store in it is removed', () => {
    fs.mkdirSync(at('real'));
    fs.symlinkSync(at('real'), at('link'));
    put(RowStore.create(at('link'), columns, null), 0, range(2));
    // The one that wrote it has ended: its index names a process that is not there.
    const index = at('real/000001.index');
    fs.writeFileSync(index, fs.readFileSync(index, 'latin1').replace(/"pid":\d+/, '"pid":4194305'), 'latin1');
    RowStore.remove(`${at('link')}/`);
    expect(fs.readdirSync(at('link'))).toEqual([]);
  });
});

describe('refuses', () => {
  it.each([
    ['no JSON', 'syntax', '{'],
    ['something else', 'magic', '[]'],
    ['nothing', 'magic', 'null'],
    ['another version', 'version', '{"format":"retort-rows","version":9}'],
    ['no columns', 'missing-field', '{"format":"retort-rows","version":1,"columns":[]}'],
    ['columns of nothing', 'missing-field', '{"format":"retort-rows","version":1,"columns":[null]}'],
    ['endless rows', 'missing-field', '{"format":"retort-rows","version":1,"columns":[{"name":"a","bytes":1e300}]}'],
  ] as const)('a cache.json of %s', (_, code, text) => {
    fs.writeFileSync(at('cache.json'), text);
    expect(() => RowStore.open(folder)).toThrow(refusal(code, at('cache.json')));
  });

  const header = (changes: object): string => {
    const writer = { pid: 1, host: 'elsewhere' };
    return `${JSON.stringify({ capacity: 64, writer, ...changes })}\n`;
  };
  it.each([
    ['no number', { capacity: 'x' }],
    ['too large a number', { capacity: 1e15 }],
    ['a negative number', { capacity: -64 }],
    ['no writer', { writer: null }],
    ['a process that cannot be', { writer: { pid: -1, host: '' } }],
    ['a long line', { more: 'x'.repeat(5000) }],
  ])('an index that begins with %s', (_, changes) => {
    made();
    fs.writeFileSync(at('000001.index'), header(changes));
    fs.writeFileSync(at('000001.rows'), Buffer.alloc(64 * 11));
    expect(() => RowStore.open(folder)).toThrow(refusal('syntax', at('000001.index'), 'cache prune'));
  });

  it('keys and rows beyond what there can be', () => {
    expect(() => put(made(), 2 ** 28, [1])).toThrow(refusal('too-large', 2 ** 28));
    expect(() => put(made(), 0, [-1])).toThrow(refusal('too-large', -1));
    expect(() => RowStore.create(at('large'), [{ name: 'a', bytes: 2 ** 31 }], null)).toThrow(refusal('too-large'));
    expect(() => RowStore.open(at('nothing'))).toThrow(refusal('not-found', 'cache.json'));
  });

  it('what cannot be written, and what was stored stays', () => {
    const store = made();
    put(store, 0, range(2));
    const { writeSync } = fs;
    let left = 1; // the first column is written, and then the disk is full
    vi.spyOn(fs, 'writeSync').mockImplementation((...args: readonly unknown[]) => {
      if (left-- > 0) return (writeSync as (...all: readonly unknown[]) => number)(...args);
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
    });
    expect(() => put(store, 0, range(2, 2))).toThrow(refusal('file-system', at('000001.rows'), 'disk is full'));
    vi.restoreAllMocks();
    expect([store.count, RowStore.open(folder).count]).toEqual([2, 2]);
    put(store, 0, range(2, 2)); // there is room again
    expect(got(RowStore.open(folder), 0, 3)).toEqual(rowOf(0, 3));
    const link = vi.spyOn(fs, 'openSync').mockImplementation(() => {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'open' });
    });
    expect(() => RowStore.create(at('closed'), columns, null)).toThrow(refusal('file-system', at('closed')));
    link.mockRestore();
  });
});

describe('several processes', () => {
  const root = path.resolve(import.meta.dirname, '../..');
  /** A process that writes a batch of eight rows of its view again and again, and says so. */
  function writer(view: number, batches: number): ChildProcess {
    const source = `
      import { RowStore } from ${JSON.stringify(path.join(root, 'src/formats/index.ts'))};
      const store = RowStore.create(${JSON.stringify(folder)}, ${JSON.stringify(columns)}, { of: 'a test' });
      const rowOf = (sample) => ${JSON.stringify(columns)}.map(({ bytes }, i) =>
        Uint8Array.from({ length: bytes }, (_, k) => (7 * ${view} + 13 * sample + 31 * i + k) % 256));
      for (let batch = 0; batch < ${batches}; batch++) {
        const samples = Array.from({ length: 8 }, (_, i) => 8 * batch + i);
        const rows = samples.map(rowOf);
        store.append(${view}, samples, [0, 1].map((i) => Buffer.concat(rows.map((row) => row[i]))));
        if (batch % 16 === 0) process.stdout.write('.');
      }
      process.stdout.write('!');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source], { cwd: root });
    children.push(child);
    return child;
  }
  const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('close', () => resolve()));
  const whole = (store: RowStore, view: number): number => {
    const count = store.countOf(view);
    for (const sample of range(count)) expect(got(store, view, sample)).toEqual(rowOf(view, sample));
    return count;
  };

  it('write at once, each its own', async () => {
    await Promise.all([writer(0, 40), writer(1, 40)].map(ended));
    const store = RowStore.open(folder);
    expect([whole(store, 0), whole(store, 1), store.verify()]).toEqual([320, 320, []]);
    expect(fs.readdirSync(folder).filter((name) => !/^\d{6}\.(index|rows)$|^cache\.json$/.test(name))).toEqual([]);
  }, 60_000);

  it('may be killed: what is found afterwards is whole, and the next goes on', async () => {
    for (let round = 0; round < 3; round++) {
      const child = writer(round, 1e6);
      const closed = ended(child);
      await new Promise((resolve) => child.stdout!.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 3 * round));
      expect(() => RowStore.remove(folder)).toThrow(refusal('run-in-use'));
      child.kill('SIGKILL');
      await closed;
      const store = RowStore.open(folder);
      expect(store.verify()).toEqual([]);
      expect(store.countOf(round) % 8).toBe(0);
      expect(store.countOf(round)).toBeGreaterThan(0);
      expect(got(store, round, 7)).toEqual(rowOf(round, 7));
    }
    const before = RowStore.open(folder).count;
    expect(RowStore.inspect(folder).prune()).toMatchObject({ rows: 0, inUse: [] });
    expect(RowStore.open(folder).count).toBe(before);
    RowStore.remove(folder);
    expect(fs.existsSync(folder)).toBe(false);
  }, 60_000);
});
