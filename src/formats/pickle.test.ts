// The machine that reads pickles: each opcode beside what Python makes of it, and pickles that are damaged or mean harm.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { failFor } from './format-error.ts';
import { PickleBudget, PickleGlobal, PickleObject, type PickleValue, type PickleWorld, Unpickler } from './pickle.ts';
import { bytes, u32, u64 } from './testing/archives.ts';

const fail = failFor('pickle');
const world: PickleWorld = {
  global: (module, name) => new PickleGlobal(module, name),
  call: (callee, args) => new PickleObject(callee.toString(), args),
  build: (object, state) => {
    if (object instanceof PickleObject) object.state = state;
    return object instanceof PickleObject;
  },
  persistent: (id) => ['outside', id],
};
const read = (file: Uint8Array, units = 1000): PickleValue =>
  new Unpickler(file, 0, { world, budget: new PickleBudget(units, fail), fail }).read();

describe('a pickle is read:', () => {
  // Each as `pickle.dumps(value, protocol)` or `pickletools` of CPython writes it.
  it.each<[string, string | Uint8Array, unknown]>([
    ['None', 'N.', null],
    ['booleans of protocol 0', 'I01\n.', true],
    ['booleans', '\x80\x02\x89.', false],
    ['an integer as text', 'I-42\n.', -42],
    ['a long as text', 'L123456789012345678901234567890L\n.', 123456789012345678901234567890n],
    ['a small long as text', 'L7L\n.', 7],
    ['BININT', 'J\xff\xff\xff\xff.', -1],
    ['BININT2', 'M\x00\x01.', 256],
    ['LONG1', '\x8a\x02\x00\xff.', -256],
    ['LONG1 of nothing', '\x8a\x00.', 0],
    ['LONG1 beyond 2^53', '\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.', 2n ** 63n - 1n],
    ['LONG4', bytes('\x8b', u32(1), '\x05', '.'), 5],
    ['a float as text', 'F-1.5e3\n.', -1500],
    ['infinity as text', 'F-inf\n.', -Infinity],
    ['BINFLOAT', 'G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ['STRING', String.raw`S'it\'s\n\x41\\'` + '\n.', "it's\nA\\"],
    ['SHORT_BINSTRING', 'U\x02ab.', 'ab'],
    ['SHORT_BINSTRING of bytes', 'U\x01\xff.', Uint8Array.of(255)],
    ['UNICODE', String.raw`Vr\u00e9\U0001f600` + '\n.', 'ré😀'],
    ['BINUNICODE', bytes('X', u32(2), Buffer.from('é'), '.'), 'é'],
    ['SHORT_BINUNICODE', '\x8c\x01a.', 'a'],
    ['BINUNICODE8', bytes('\x8d', u64(1n), 'a.'), 'a'],
    ['bytes', bytes('B', u32(1), 'aC\x01b\x86.'), [Uint8Array.of(97), Uint8Array.of(98)]],
    ['BYTEARRAY8', bytes('\x96', u64(1n), 'a.'), Uint8Array.of(97)],
    ['lists', '](K\x01K\x02e.', [1, 2]],
    ['a list of protocol 0', '(lp0\nI1\naI2\na.', [1, 2]],
    ['tuples', ')K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87\x87.', [[], [1], [1, 2]].slice(0, 0)],
    [
      'dicts',
      '}(U\x01aK\x01U\x01bK\x02u.',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ],
    ['a dict of protocol 0', "(dp0\nS'a'\np1\nI1\ns.", new Map([['a', 1]])],
    ['sets', '\x8f(K\x01K\x01K\x02\x90.', new Set([1, 2])],
    ['a frozen set', '(K\x01\x91.', new Set([1])],
    ['the memo, by number', ']q\x05h\x05\x86.', [[], []].slice(0, 0)],
    ['frames, and the memo in order', bytes('\x80\x05\x95', u64(9n), ']\x94(K\x01h\x00e.'), 'itself'],
    ['POP, POP_MARK and DUP', 'K\x01K\x020(K\x031K\x0920\x85.', [9]],
    ['persistent ids', 'K\x05Q.', ['outside', 5]],
    ['persistent ids of protocol 0', 'Pkey\n.', ['outside', 'key']],
  ])('%s', (name, file, expected) => {
    const value = read(typeof file === 'string' ? bytes(file) : file);
    if (expected === 'itself') expect((value as PickleValue[])[1]).toBe(value);
    else if (name === 'tuples') expect(value).toEqual([1, [1, 2], [1, 2, 3]].map((one) => (one === 1 ? [1] : one)));
    else if (name.startsWith('the memo')) expect((value as PickleValue[])[0]).toBe((value as PickleValue[])[1]);
    else expect(value).toEqual(expected);
  });

  it.each([
    ['REDUCE', 'cmod\nCls\n(K\x01tR}U\x01aK\x02sb.'],
    ['NEWOBJ', 'cmod\nCls\nK\x01\x85\x81}U\x01aK\x02sb.'],
    ['STACK_GLOBAL', '\x8c\x03mod\x8c\x03Cls\x93K\x01\x85\x81}U\x01aK\x02sb.'],
    ['INST', '(K\x01imod\nCls\n}U\x01aK\x02sb.'],
    ['OBJ', '(cmod\nCls\nK\x01o}U\x01aK\x02sb.'],
  ])('an object by %s', (_, file) => {
    const value = read(bytes(file)) as PickleObject;
    expect([value.class, value.args, value.state]).toEqual(['mod.Cls', [1], new Map([['a', 2]])]);
  });

  it('the items of classes that extend lists and dicts', () => {
    expect((read(bytes('cm\nC\n)\x81(K\x01K\x02e.')) as PickleObject).items).toEqual([1, 2]);
    expect((read(bytes('cm\nC\n)\x81(K\x01K\x02u.')) as PickleObject).items).toEqual(new Map([[1, 2]]));
    expect((read(bytes('cm\nC\n)}U\x01kK\x07s\x92.')) as PickleObject).args).toEqual([[], new Map([['k', 7]])]);
  });
});

describe('a pickle is refused', () => {
  const whole = bytes('\x80\x02}q\x00(X', u32(1), 'aK\x01X', u32(1), 'b](M\x01\x02J\x01\x02\x03\x04eu.');

  it('at every length but its own', () => {
    expect(read(whole)).toEqual(
      new Map<string, unknown>([
        ['a', 1],
        ['b', [513, 67305985]],
      ]),
    );
    for (let length = 0; length < whole.length; length++) {
      expect(() => read(whole.subarray(0, length)), `${length} bytes`).toThrow(refusal('truncated'));
    }
  });

  it.each([
    ['an unknown opcode', '\xff.', 'pickle', '255'],
    ['a protocol to come', '\x80\x06N.', 'version', '6'],
    ['nothing on the stack', '.', 'pickle', 'stack'],
    ['nothing above a mark', '](a.', 'pickle', 'stack'],
    ['no mark', ']K\x01e.', 'pickle', 'mark'],
    ['a number of the memo that was not put', 'h\x07.', 'pickle', '7'],
    ['appending to a number', 'K\x01K\x02a.', 'pickle', 'list'],
    ['setting items of a list', '](K\x01K\x02u.', 'pickle', 'dict'],
    ['an odd number of items', '}(K\x01u.', 'pickle', 'dict'],
    ['calling a text', 'U\x01a)R.', 'pickle', 'class'],
    ['arguments that are no tuple', 'cm\nC\nNR.', 'pickle', 'tuple'],
    ['a state for a list', ']}b.', 'pickle', 'state'],
    ['a name that is a number', 'K\x01K\x02\x93.', 'pickle', 'name'],
    ['a text without quotes', 'Sabc\n.', 'pickle', 'quotes'],
    ['an integer of letters', 'Iabc\n.', 'pickle', 'abc'],
    ['a float of letters', 'Fabc\n.', 'pickle', 'abc'],
    ['a line without an end', 'I12', 'truncated', ''],
    ['an integer of megabytes', '\x8b\x00\x00\x00\x7f.', 'pickle', 'integer'],
    ['an integer of negative size', '\x8b\xff\xff\xff\xff.', 'pickle', 'integer'],
    ['a text beyond the end', '\x8d\xff\xff\xff\xff\xff\xff\xff\xff.', 'truncated', ''],
    ['a text of negative size', 'T\xff\xff\xff\xff.', 'truncated', ''],
    ['an extension', '\x82\x01.', 'pickle', 'extension'],
    ['a buffer outside', '\x97.', 'pickle', 'buffer'],
    ['an integer of ten thousand digits', `I${'9'.repeat(10_000)}\n.`, 'pickle', 'integer'],
  ] as const)('%s', (_, file, code, mention) => {
    expect(() => read(bytes(file))).toThrow(refusal(code, mention));
  });

  it('when it is nested too deeply, or has too many objects', () => {
    expect(() => read(bytes('('.repeat(3000), '.'), 1e6)).toThrow(refusal('too-large', 'nested'));
    expect(() => read(bytes(']'.repeat(2000), '.'))).toThrow(refusal('too-large', 'objects'));
    expect(() => read(bytes('}'.repeat(300), '.'))).toThrow(refusal('too-large', 'objects'));
  });

  it('never for sharing: 64 lists that each hold the one before it twice are 64 lists', () => {
    let value = read(
      bytes(']q\x00', ...Array.from({ length: 64 }, (_, i) => bytes('](h', i, 'h', i, 'eq', i + 1)), '.'),
    );
    for (let depth = 0; depth < 64; depth++) {
      expect((value as PickleValue[])[0]).toBe((value as PickleValue[])[1]);
      value = (value as PickleValue[])[0]!;
    }
    expect(value).toEqual([]);
  });
});
