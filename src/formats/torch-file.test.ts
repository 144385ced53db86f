// What PyTorch writes, read and written: files made by PyTorch itself (fixtures/README.md), and files that break each rule.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { failFor } from './format-error.ts';
import { NumpyArray } from './numpy-objects.ts';
import { PickleGlobal, PickleObject, type PickleValue } from './pickle.ts';
import {
  archive,
  bytes,
  call,
  dict,
  floats,
  global,
  integer,
  pickle,
  storage,
  tensor,
  text,
  torchFile,
  torchStream,
  tuple,
} from './testing/archives.ts';
import { parseTorch, readTorchFile } from './torch-file.ts';
import { TorchTensor } from './torch-tensor.ts';
import { serializeTorch, type TorchRecord } from './torch-writer.ts';

const fail = failFor('pth');
const path = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const at = (value: PickleValue | undefined, ...keys: (string | number)[]): unknown => {
  let held: PickleValue | undefined = value;
  for (const key of keys) {
    const map = held instanceof PickleObject ? (held.items ?? held.state) : held;
    held = map instanceof Map ? map.get(key) : (map as PickleValue[])[key as number];
  }
  return held;
};
const fixture = (name: string, ...keys: (string | number)[]): unknown => at(readTorchFile(path(name)).value, ...keys);
const numbers = (value: unknown): number[] => {
  expect(value).toBeInstanceOf(TorchTensor);
  return Array.from(new Float32Array(Uint8Array.from((value as TorchTensor).bytes(fail)).buffer));
};
const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('a file of PyTorch', () => {
  it.each([
    ['bare.pth', 'zip'],
    ['legacy.pth', 'legacy'],
    ['script.pt', 'torchscript'],
  ])('%s is read as %s', (name, form) => {
    const file = readTorchFile(path(name));
    expect(file.form).toBe(form);
    const [conv, bias] =
      form === 'torchscript'
        ? [
            ['conv', 'weight'],
            ['fc', 'bias'],
          ]
        : [['conv.weight'], ['fc.bias']];
    expect(at(file.value, ...conv)).toMatchObject({ dtype: 'float32', shape: [2, 1, 3, 3] });
    expect(numbers(at(file.value, ...conv))).toEqual(ramp(18));
    expect(numbers(at(file.value, ...bias))).toEqual([0, 1, 2]);
    expect(parseTorch(readFileSync(path(name))).storages.length).toBe(file.storages.length);
  });

  it('of mmengine has numbers and arrays of NumPy, and its history', () => {
    const { value } = readTorchFile(path('mmengine.pth'));
    expect(at(value, 'meta', 'seed')).toBe(7);
    expect(at(value, 'meta', 'accuracy')).toBe(0.5);
    expect(at(value, 'message_hub', 'runtime_info', 'iter')).toBe(30);
    const history = at(value, 'message_hub', 'log_scalars', 'train/loss') as PickleObject;
    expect(history.class).toBe('mmengine.logging.history_buffer.HistoryBuffer');
    expect(at(history, '_log_history')).toMatchObject({
      dtype: 'float64',
      shape: [2],
      data: Float64Array.of(0.5, 0.25),
    });
    expect(at(history, '_count_history')).toBeInstanceOf(NumpyArray);
    expect(at(history, 'statistics_methods', 'mean')).toBeInstanceOf(PickleGlobal);
    expect(at(value, 'param_schedulers', 0, 'tags')).toEqual(new Set(['a', 'b']));
    expect(at(value, 'optimizer', 'state', 0, 'momentum_buffer')).toBeInstanceOf(TorchTensor);
  });

  it('has views of one storage, strided and repeated', () => {
    const { value, storages } = readTorchFile(path('views.pth'));
    expect(storages).toHaveLength(4);
    expect(numbers(at(value, 'transposed'))).toEqual(ramp(24).map((i) => (i % 4) * 6 + Math.floor(i / 4)));
    expect(numbers(at(value, 'column'))).toEqual([1, 7, 13, 19]);
    expect(numbers(at(value, 'rows'))).toEqual(ramp(12).map((i) => i + 6));
    expect(numbers(at(value, 'step'))).toEqual([0, 3, 12, 15]);
    expect(numbers(at(value, 'repeated'))).toEqual([1, 1, 1, 1, 1, 1]);
    expect(numbers(at(value, 'empty'))).toEqual([]);
    expect(numbers(at(value, 'scalar'))).toEqual([2.5]);
    expect((at(value, 'same') as TorchTensor).storage).toBe((at(value, 'base') as TorchTensor).storage);
  });

  it('has all element types, those that libtorch lacks by name', () => {
    const { value } = readTorchFile(path('dtypes.pth'));
    for (const [kind, one] of value as Map<string, TorchTensor>) {
      expect(one).toMatchObject({ dtype: kind, shape: [3] });
      expect(one.bytes(fail).length % 3).toBe(0);
    }
    expect(numbers(at(value, 'float32'))).toEqual([0, 1, 1]);
    expect([...(at(value, 'bfloat16') as TorchTensor).bytes(fail)]).toEqual([0, 0, 0x80, 0x3f, 0x80, 0x3f]);
  });

  it('has objects of known classes as data', () => {
    const { value } = readTorchFile(path('namespace.pth'));
    const args = at(value, 'args') as PickleObject;
    expect(args.class).toBe('argparse.Namespace');
    expect(at(args, 'layers')).toEqual([2, 2]);
    expect(at(args, 'out')).toMatchObject({ class: 'pathlib.PurePosixPath', args: ['a', 'b'] });
    expect(at(value, 'device')).toBe('cuda:1');
    expect(at(value, 'dtype')).toBe('torch.float16');
    expect(at(value, 'size')).toEqual([2, 3]);
    expect(at(value, 'counts')).toEqual(
      new Map([
        ['a', 2],
        ['b', 1],
      ]),
    );
    expect(at(value, 'default')).toEqual(new Map([['k', [1]]]));
    expect(at(value, 'big')).toBe(2n ** 70n);
    expect(at(value, 'complex')).toMatchObject({ class: 'builtins.complex', args: [1, 2] });
    expect(at(value, 'frozen')).toEqual(new Set([1]));
  });

  it('has parameters as tensors', () => {
    expect(numbers(fixture('parameters.pth', 'weight'))).toEqual([0, 1, 2, 3]);
    expect(numbers(fixture('parameters.pth', 'nested', 'list', 1))).toEqual([0, 1]);
  });

  it.each([2, 3, 4, 5])('of protocol %i', (protocol) => {
    const { value } = readTorchFile(path(`protocol${protocol}.pth`));
    expect(numbers(at(value, 'weight'))).toEqual([0, 1, 2]);
    expect(at(value, 'text')).toBe('é中');
    expect(at(value, 'bytes')).toEqual(Uint8Array.of(0, 255));
  });
});

describe('a file of PyTorch is refused', () => {
  it('with all names that are not known, or read with inert objects in their place', () => {
    expect(() => readTorchFile(path('foreign.pth'))).toThrow(
      refusal('pickle', 'foreign.pth', 'torch.nn.functional.relu', 'collections.ChainMap', 'skipUnknown'),
    );
    const { value } = readTorchFile(path('foreign.pth'), { skipUnknown: true });
    expect(numbers(at(value, 'weight'))).toEqual([0, 1, 2]);
    expect(at(value, 'net')).toMatchObject({ class: 'collections.ChainMap' });
    expect(() => readTorchFile(path('module.pth'))).toThrow(refusal('pickle', 'torch.nn.modules.conv.Conv2d'));
  });

  it.each([
    ['os.system', call('os', 'system', text('true')), 'os.system'],
    ['eval', call('builtins', 'eval', text('1')), 'builtins.eval'],
    ['eval of Python 2', call('__builtin__', 'eval', text('1')), 'builtins.eval'],
    ['getattr of a function', call('builtins', 'getattr', global('os', 'system'), text('x')), 'os.system'],
    ['getattr of a module', call('builtins', 'getattr', text('os'), text('system')), 'builtins.getattr'],
    [
      'a method of a known class that is called',
      bytes(call('builtins', 'getattr', global('argparse', 'Namespace'), text('x')), ')R'),
      'argparse.Namespace.x',
    ],
    ['an import', call('builtins', '__import__', text('os')), '__import__'],
    ['a name with dots', call('os', 'path.join'), 'os.path.join'],
    ['a name of torch', call('torch', 'load'), 'torch.load'],
    ['a prototype', call('__proto__', 'constructor'), '__proto__.constructor'],
  ])('where it names %s', (_, value, name) => {
    expect(() => parseTorch(torchFile(value))).toThrow(refusal('pickle', name));
    expect(() => parseTorch(torchStream(value))).toThrow(refusal('pickle', name));
    expect(parseTorch(torchFile(value), { skipUnknown: true }).value).toBeDefined();
  });

  it.each([
    ['quantized.pth', 'quantized', 'dequantize'],
    ['sparse.pth', 'sparse', 'to_dense'],
  ])('%s: tensors of another kind, by name', (name, ...mentions) => {
    expect(() => readTorchFile(path(name))).toThrow(refusal('dtype', ...mentions));
  });

  const one = tensor(storage('0', 4), { shape: [2, 2], strides: [2, 1] });
  const four = { 0: floats(1, 2, 3, 4) };
  const view = (shape: (number | bigint)[], strides: (number | bigint)[], offset: number | bigint = 0): Buffer =>
    torchFile(tensor(storage('0', 4), { shape, strides, offset }), four);
  it('is read where nothing is wrong', () => {
    expect(numbers(parseTorch(torchFile(one, four)).value)).toEqual([1, 2, 3, 4]);
    expect(numbers(parseTorch(torchStream(one, [['0', 4, four[0]]])).value)).toEqual([1, 2, 3, 4]);
    expect(
      numbers(parseTorch(archive({ 'data.pkl': pickle(one), 'data/0': four[0] }, { compress: true })).value),
    ).toEqual([1, 2, 3, 4]);
    expect(numbers(parseTorch(view([2], [2], 1)).value)).toEqual([2, 4]);
  });

  it.each([
    ['a view beyond its storage', view([2, 2], [2, 1], 1), 'offsets', 'outside'],
    ['strides beyond its storage', view([2], [4]), 'offsets', 'outside'],
    ['a negative stride', view([2], [-1], 3), 'shape', '-1'],
    ['a negative offset', view([1], [1], -1), 'shape', '-1'],
    ['a negative size', view([-4], [1]), 'shape', '-4'],
    ['a size of 2^62', view([2n ** 62n], [1]), 'shape', ''],
    ['a product beyond 2^53', view([2 ** 30, 2 ** 30], [0, 0]), 'overflow', 'elements'],
    ['strides beyond 2^53', view([2, 2], [2n ** 62n, 1]), 'shape', ''],
    ['fewer strides than sizes', view([2, 2], [1]), 'shape', 'strides'],
    [
      '65 dimensions',
      view(
        Array.from({ length: 65 }, () => 1),
        Array.from({ length: 65 }, () => 1),
      ),
      'shape',
      'too many',
    ],
    ['a tensor of no storage', torchFile(tensor(text('x'), { shape: [], strides: [] })), 'pickle', 'storage'],
    ['a storage that is not there', torchFile(one), 'missing-field', 'data/0'],
    ['a storage of another size', torchFile(one, { 0: floats(1) }), 'size-mismatch', '4 bytes'],
    [
      'a storage of 2^62 elements',
      torchFile(tensor(storage('0', 2n ** 62n), { shape: [], strides: [] })),
      'pickle',
      'storage',
    ],
    ['a storage of -1 elements', torchFile(tensor(storage('0', -1), { shape: [], strides: [] })), 'pickle', 'storage'],
    ['a storage of an unknown class', torchFile(storage('0', 4, 'NoStorage')), 'dtype', 'NoStorage'],
    [
      'a storage that is described twice',
      torchFile(tuple(storage('0', 4), storage('0', 2, 'LongStorage')), four),
      'size-mismatch',
      'twice',
    ],
    ['an id that is no storage', torchFile(bytes(tuple(text('file'), text('/etc/passwd')), 'Q')), 'pickle', 'storage'],
    ['big-endian bytes', archive({ 'data.pkl': pickle('N'), byteorder: bytes('big') }), 'version', 'big'],
    ['bytes behind its pickle', archive({ 'data.pkl': bytes(pickle('N'), 'N.') }), 'trailing-data', 'data.pkl'],
    ['no pickle', archive({ 'data/0': bytes('x') }), 'missing-field', 'data.pkl'],
    ['a tar archive', bytes('x'.repeat(257), 'ustar', '\0'.repeat(300)), 'version', 'torch.save'],
    ['anything else', bytes('hello'), 'magic', ''],
    ['nothing', bytes(), 'magic', ''],
    [
      'a dict of what are no pairs',
      torchFile(call('collections', 'OrderedDict', bytes('](K\x01K\x02e'))),
      'pickle',
      'pairs',
    ],
    [
      'an array of NumPy without its bytes',
      torchFile(
        bytes(
          call('numpy.core.multiarray', '_reconstruct'),
          tuple(integer(1), tuple(integer(2)), call('numpy', 'dtype', text('f4')), bytes(0x89), bytes('C\x01a')),
          'b',
        ),
      ),
      'size-mismatch',
      'NumPy',
    ],
  ] as const)('with %s', (_, file, code, mention) => {
    expect(() => parseTorch(file)).toThrow(refusal(code, mention));
  });

  const stream = torchStream(dict(text('a'), one), [['0', 4, four[0]]]);
  it('in the old form, at every length but its own', () => {
    expect(parseTorch(stream).form).toBe('legacy');
    for (let length = 0; length < stream.length; length++) {
      expect(() => parseTorch(stream.subarray(0, length)), `${length} bytes`).toThrow(
        refusal(length < 2 ? 'magic' : 'truncated'),
      );
    }
    expect(() => parseTorch(bytes(stream, 0))).toThrow(refusal('trailing-data'));
  });

  it.each([
    ['another magic number', bytes(pickle(integer(5)), pickle('N')), 'magic', 'torch.save'],
    [
      'a storage that nobody asked for',
      torchStream(one, [
        ['0', 4, four[0]],
        ['9', 1, floats(1)],
      ]),
      'offsets',
      '9',
    ],
    [
      'a storage twice',
      torchStream(one, [
        ['0', 4, four[0]],
        ['0', 4, four[0]],
      ]),
      'offsets',
      'twice',
    ],
    ['a storage of another size', torchStream(one, [['0', 3, floats(1, 2, 3)]]), 'size-mismatch', '0'],
    ['a storage of -1 elements', torchStream(one, [['0', -1, floats()]]), 'size-mismatch', '0'],
    ['no storage', torchStream(one), 'missing-field', '0'],
  ] as const)('in the old form, with %s', (_, file, code, mention) => {
    expect(() => parseTorch(file)).toThrow(refusal(code, mention));
  });

  it('when a view repeats its storage beyond measure', () => {
    const value = parseTorch(view([2 ** 40], [0])).value as TorchTensor;
    expect(() => value.bytes(fail)).toThrow(refusal('too-large', 'clone'));
  });

  it('with a million tensors in a storage: by time, memory or a limit, never by a crash', { timeout: 60_000 }, () => {
    // Each takes its view from the memo, so that the file has few bytes for each.
    const rebuild = bytes(
      global('torch._utils', '_rebuild_tensor_v2'),
      'q\x00',
      tuple(storage('0', 4), integer(0), ')', ')', bytes(0x89), 'N'),
      'q\x01',
      '00',
    );
    const file = (count: number): Buffer => torchFile(bytes(rebuild, '(', 'h\x00h\x01R'.repeat(count), 't'), four);
    expect((parseTorch(file(100_000)).value as unknown[]).length).toBe(100_000);
    expect(() => parseTorch(file(2 ** 18 + 1))).toThrow(refusal('too-large', 'tensors'));
  });
});

describe('serializeTorch', () => {
  const record = (dtype: string, shape: number[], data: TorchRecord['data']): TorchRecord => ({ dtype, shape, data });
  const written = (state: Record<string, TorchRecord>, meta?: Record<string, string>): PickleValue =>
    parseTorch(Buffer.concat([...(serializeTorch(new Map(Object.entries(state)), { meta }) as Iterable<Uint8Array>)]))
      .value;

  it('writes what parseTorch reads', () => {
    const shared = floats(5, 6);
    const value = written({
      w: record('float32', [1, 2], floats(1, 2)),
      a: record('float32', [2], shared),
      b: record('float32', [2], shared),
      s: record('int64', [], () => new Uint8Array(8)),
      e: record('bool', [0, 3], new Uint8Array()),
    });
    expect(numbers(at(value, 'w'))).toEqual([1, 2]);
    expect((at(value, 'a') as TorchTensor).storage).toBe((at(value, 'b') as TorchTensor).storage);
    expect(at(value, 's')).toMatchObject({ dtype: 'int64', shape: [] });
    expect(at(value, 'e')).toMatchObject({ dtype: 'bool', shape: [0, 3] });
  });

  it('writes meta beside the state dict', () => {
    const value = written({ w: record('float32', [1], floats(1)) }, { epoch: '3' });
    expect(at(value, 'meta', 'epoch')).toBe('3');
    expect(numbers(at(value, 'state_dict', 'w'))).toEqual([1]);
  });

  it('refuses what does not fit', () => {
    expect(() => written({ w: record('float32', [2], floats(1)) })).toThrow(refusal('size-mismatch', 'w', '[2]'));
    expect(() => written({ w: record('float32', [2], () => floats(1)) })).toThrow(refusal('size-mismatch', '[2]'));
    expect(() => written({ w: record('float8_e5m2', [1], new Uint8Array(1)) })).toThrow(
      refusal('dtype', 'float8_e5m2'),
    );
    const shared = floats(1, 2);
    expect(() => written({ a: record('float32', [2], shared), b: record('float64', [1], shared) })).toThrow(
      refusal('size-mismatch', 'b'),
    );
  });
});
