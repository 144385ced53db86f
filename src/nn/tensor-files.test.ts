// Tensors in files of all formats: what is loaded, what is left out, which memory is shared, and that nothing is kept when it fails.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { weightsNames } from '../formats/index.ts';
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
  tensor as view,
  text,
  torchFile,
  tuple,
} from '../formats/testing/archives.ts';
import { arange, memory, ops, resetPeakMemory, tensor, tidy } from '../torch/index.ts';
import { Linear, loadModule, loadTensors, saveModule, saveTensors, Sequential } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'retort-tensors-'));
const path = (name: string): string => join(folder, name);
const fixture = (name: string): string => fileURLToPath(new URL(`../formats/fixtures/${name}`, import.meta.url));
const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('loadTensors', () => {
  it.each([
    ['bare.pth', 'pth', undefined, 'conv.weight'],
    ['legacy.pth', 'pth (legacy)', undefined, 'conv.weight'],
    ['mmengine.pth', 'pth', 'state_dict', 'conv.weight'],
    ['namespace.pth', 'pth', 'model', 'conv.weight'],
    ['ddp.pth', 'pth', undefined, 'module.conv.weight'],
    ['script.pt', 'torchscript', undefined, 'conv.weight'],
  ])('reads %s', (name, format, entry, first) => {
    tidy(() => {
      const loaded = loadTensors(fixture(name));
      expect([loaded.format, loaded.entry, Object.keys(loaded.tensors)[0]]).toEqual([format, entry, first]);
      expect(Object.keys(loaded.tensors)).toHaveLength(8);
      const weight = loaded.tensors[first]!;
      expect([weight.dtype, weight.shape, weight.flatten().toArray()]).toEqual(['float32', [2, 1, 3, 3], ramp(18)]);
      expect(loaded.leftOut).toEqual({});
    });
  });

  it('says which entries there are, and takes the one that is asked for', () => {
    tidy(() => {
      const file = fixture('namespace.pth');
      expect(loadTensors(file).otherEntries).toEqual(['ema']);
      expect(loadTensors(file).metadata['epoch']).toBe('12');
      expect(loadTensors(file, { entry: 'ema.module' }).tensors['fc.bias']!.toArray()).toEqual([1, 2, 3]);
      expect(() => loadTensors(file, { entry: 'emma' })).toThrow(
        refusal('missing-field', 'namespace.pth', 'emma', 'ema'),
      );
      expect(() => loadTensors(fixture('arrays.npz'), { entry: 'ema' })).toThrow(
        refusal('invalid-argument', 'entry', 'npz'),
      );
    });
  });

  it('makes strided views contiguous, and one tensor of names of one view', () => {
    tidy(() => {
      const { tensors } = loadTensors(fixture('views.pth'));
      expect(tensors['same']).toBe(tensors['base']);
      expect(tensors['transposed']!.toArray()).toEqual(ramp(6).map((row) => ramp(4).map((column) => column * 6 + row)));
      expect(tensors['column']!.toArray()).toEqual([1, 7, 13, 19]);
      expect(tensors['step']!.toArray()).toEqual([
        [0, 3],
        [12, 15],
      ]);
      expect(tensors['repeated']!.toArray()).toEqual([
        [1, 1],
        [1, 1],
        [1, 1],
      ]);
      expect([tensors['empty']!.shape, tensors['scalar']!.item()]).toEqual([[0, 3], 2.5]);
      tensors['rows']!.fill_(-1);
      expect(tensors['base']!.flatten().toArray()).toEqual(ramp(24));
    });
  });

  it('leaves out what libtorch has no type for', () => {
    tidy(() => {
      const { tensors, leftOut } = loadTensors(fixture('dtypes.pth'));
      expect({ ...leftOut }).toEqual({ float8_e4m3fn: 'float8_e4m3fn', float8_e5m2: 'float8_e5m2', uint16: 'uint16' });
      for (const [dtype, one] of Object.entries(tensors)) {
        expect(one.dtype).toBe(dtype);
        if (!dtype.startsWith('complex')) expect(one.to('float32').toArray()).toEqual([0, 1, 1]);
      }
      expect([...tensors['complex128']!.data()]).toEqual([0, 0, 1, 0, 1, 0]);
      expect({ ...loadTensors(fixture('arrays.npz')).leftOut }).toEqual({ wide: 'uint16' });
    });
  });

  it('reads arrays of NumPy, of whatever order', () => {
    tidy(() => {
      const { tensors, format } = loadTensors(fixture('arrays.npz'));
      expect(format).toBe('npz');
      expect(tensors['fortran']!.toArray()).toEqual([
        [0, 1, 2],
        [3, 4, 5],
      ]);
      expect(tensors['big']!.toArray()).toEqual([0, 1, 2]);
      expect(tensors['flags']!.toArray()).toEqual([true, false]);
      expect(loadTensors(fixture('compressed.npz')).tensors['ids']!.toArray()).toEqual(ramp(5));
    });
  });

  it('refuses foreign objects, or passes them over', () => {
    expect(() => loadTensors(fixture('foreign.pth'))).toThrow(refusal('pickle', 'relu', 'ChainMap'));
    tidy(() =>
      expect(Object.keys(loadTensors(fixture('foreign.pth'), { skipUnknown: true }).tensors)).toEqual(['weight']),
    );
  });

  it('keeps no tensor where a file turns out to be damaged at its end', () => {
    const file = torchFile(view(storage('0', 4), { shape: [4], strides: [1] }), { 0: floats(1, 2, 3, 4) });
    file.writeUInt8(1, file.indexOf(floats(4)));
    writeFileSync(path('damaged.pth'), file);
    const { tensors } = memory();
    expect(() => loadTensors(path('damaged.pth'), { verify: true })).toThrow(refusal('checksum', 'damaged.pth'));
    expect(memory().tensors).toBe(tensors);
    // As in PyTorch, which compares no checksums, unless it is asked for.
    for (const options of [{}, { verify: false }]) {
      tidy(() => expect(loadTensors(path('damaged.pth'), options).tensors['tensor']!.shape).toEqual([4]));
    }
    const pickle = Buffer.from(file);
    pickle.writeUInt8(pickle[pickle.indexOf('_rebuild_tensor')]! ^ 1, pickle.indexOf('_rebuild_tensor'));
    writeFileSync(path('damaged.pth'), pickle);
    expect(() => loadTensors(path('damaged.pth'))).toThrow(refusal('checksum', 'data.pkl'));
  });

  it('refuses bools that are none, and views that are far larger than the file', () => {
    writeFileSync(
      path('bool.pth'),
      torchFile(view(storage('0', 2, 'BoolStorage'), { shape: [2], strides: [1] }), { 0: Uint8Array.of(1, 7) }),
    );
    expect(() => loadTensors(path('bool.pth'))).toThrow(refusal('invalid-argument', 'bool.pth', '7'));
    writeFileSync(
      path('bomb.pth'),
      torchFile(view(storage('0', 1), { shape: [2 ** 40], strides: [0] }), { 0: floats(1) }),
    );
    expect(() => loadTensors(path('bomb.pth'))).toThrow(refusal('too-large', 'bomb.pth', 'clone'));
  });

  it('refuses what inflates to far more than the file before memory is taken for it', () => {
    const count = 2 ** 25;
    const value = view(storage('0', count), { shape: [count], strides: [1] });
    const zeros = new Uint8Array(4 * count);
    writeFileSync(path('zip.pth'), archive({ 'data.pkl': pickle(value), 'data/0': zeros }, { compress: true }));
    resetPeakMemory();
    const { bytes: before } = memory();
    expect(() => loadTensors(path('zip.pth'))).toThrow(refusal('too-large', 'zip.pth', 'inflate'));
    expect(memory().peakBytes - before).toBeLessThan(2 ** 20);
  });

  /** An array of NumPy of two elements, as protocols before 5 have it. */
  const array = (kind: string, content: Uint8Array): Buffer =>
    bytes(
      call('numpy.core.multiarray', '_reconstruct', global('numpy', 'ndarray'), tuple(integer(0)), text('b')),
      tuple(integer(1), tuple(integer(2)), call('numpy', 'dtype', text(kind)), bytes(0x89), content),
      'b',
    );

  it('reads the arrays of NumPy among tensors, of every protocol, and says which are of Python objects', () => {
    const raw = bytes('C', 8, floats(1.5, -2));
    const parts = [call('numpy', 'dtype', text('f4')), tuple(integer(2)), text('C')];
    const value = dict(
      ...[text('old'), array('f4', raw)],
      ...[text('new'), call('numpy._core.numeric', '_frombuffer', raw, ...parts)],
      ...[text('names'), array('O8', bytes('](', text('a'), text('b'), 'e'))],
    );
    writeFileSync(path('arrays.pth'), torchFile(value));
    tidy(() => {
      const { tensors, leftOut } = loadTensors(path('arrays.pth'));
      expect(tensors['old']!.toArray()).toEqual([1.5, -2]);
      expect(tensors['new']!.toArray()).toEqual([1.5, -2]);
      expect(leftOut).toEqual({ names: 'object' });
    });
    const short = call('numpy.core.numeric', '_frombuffer', bytes('C', 1, 'x'), ...parts);
    writeFileSync(path('arrays.pth'), torchFile(dict(text('new'), short)));
    expect(() => loadTensors(path('arrays.pth'))).toThrow(refusal('size-mismatch', '8', '1'));
  });

  it.each(['neg', 'conj'])('refuses tensors whose values are not what lies in the file: %s', (bit) => {
    const whole = view(storage('0', 2), { shape: [2], strides: [1] });
    const value = bytes(whole.subarray(0, -2), dict(text(bit), bytes(0x88)), 'tR');
    writeFileSync(path('bit.pth'), torchFile(value, { 0: floats(1, 2) }));
    expect(() => loadTensors(path('bit.pth'))).toThrow(refusal('dtype', `resolve_${bit}()`));
  });

  it('does not take what is no file of weights', () => {
    writeFileSync(path('empty.pth'), '');
    expect(() => loadTensors(path('empty.pth'))).toThrow(refusal('truncated', 'empty.pth', 'it is empty'));
    writeFileSync(path('text'), 'hello, this is a text and no weights at all');
    expect(() => loadTensors(path('text'))).toThrow(refusal('too-large', 'text', 'safetensors'));
    writeFileSync(path('number.pth'), torchFile(integer(5)));
    expect(() => loadTensors(path('number.pth'))).toThrow(refusal('missing-field', 'number.pth'));
    expect(() => loadTensors(path('nothing'))).toThrow(refusal('not-found', 'nothing'));
  });
});

describe('safetensors in a folder', () => {
  const parts = { 'a.safetensors': ['x', 'y'], 'b.safetensors': ['z'] };
  /** A folder with an index of the two files. */
  function sharded(
    name: string,
    map: Record<string, string> = { x: 'a.safetensors', y: 'a.safetensors', z: 'b.safetensors' },
  ): string {
    const at = path(name);
    mkdirSync(at);
    tidy(() => {
      for (const [file, names] of Object.entries(parts)) {
        saveTensors(join(at, file), Object.fromEntries(names.map((one, i) => [one, tensor([i])])), { format: 'pt' });
      }
    });
    writeFileSync(
      join(at, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 12 }, weight_map: map }),
    );
    return at;
  }

  it('are read through their index, or the folder that has it', () => {
    const at = sharded('hub');
    tidy(() => {
      for (const given of [at, join(at, 'model.safetensors.index.json')]) {
        const { tensors, format, metadata } = loadTensors(given);
        expect([Object.keys(tensors), format]).toEqual([['x', 'y', 'z'], 'safetensors shards']);
        expect(metadata).toMatchObject({ total_size: '12', format: 'pt' });
      }
    });
  });

  it('must have what the index says; what it does not say is left out', () => {
    expect(() => loadTensors(sharded('lost', { x: 'a.safetensors', w: 'b.safetensors' }))).toThrow(
      refusal('missing-field', '"w"', 'b.safetensors'),
    );
    tidy(() => {
      const { tensors, leftOut } = loadTensors(sharded('more', { x: 'a.safetensors' }));
      expect([Object.keys(tensors), Object.keys(leftOut)]).toEqual([['x'], []]);
    });
    expect(() => loadTensors(sharded('outside', { x: '../hub/a.safetensors' }))).toThrow(refusal('name', '../hub'));
  });

  it('have names that are told without reading them', () => {
    expect(weightsNames(sharded('named'))).toEqual(['x', 'y', 'z']);
    expect(() => weightsNames(sharded('unnamed', { x: 'b.safetensors' }))).toThrow(
      refusal('missing-field', '"x"', 'b.safetensors'),
    );
    expect(weightsNames(fixture('mmengine.pth'))).toHaveLength(8);
    expect(weightsNames(fixture('compressed.npz'))).toEqual(['zeros', 'ids']);
    expect(() => weightsNames(fixture('foreign.pth'))).toThrow(refusal('pickle', 'ChainMap'));
  });

  it('may be a single file', () => {
    mkdirSync(path('single'));
    tidy(() => {
      saveTensors(path('single/model.safetensors'), { w: tensor([1, 2]) });
      expect(loadTensors(path('single')).tensors['w']!.toArray()).toEqual([1, 2]);
    });
    mkdirSync(path('bare-folder'));
    expect(() => loadTensors(path('bare-folder'))).toThrow(refusal('not-found', 'bare-folder', 'model.safetensors'));
  });
});

describe('saveTensors', () => {
  it.each(['a.safetensors', 'a.pth', 'a.PT', 'a.npz'])('to %s and back', (name) => {
    tidy(() => {
      const state = {
        w: arange(6).reshape([2, 3]),
        i: tensor([1n, 2n]),
        b: tensor([true, false]),
        s: tensor(1.5),
        t: arange(6).reshape([2, 3]).t(),
      };
      saveTensors(path(name), state);
      const { tensors, format } = loadTensors(path(name));
      expect(format).toBe(
        { a: 'safetensors', p: 'pth', n: 'npz' }[name.endsWith('s') ? 'a' : name.endsWith('z') ? 'n' : 'p'],
      );
      for (const [key, one] of Object.entries(state)) {
        expect(tensors[key]!.dtype).toBe(one.dtype);
        expect(tensors[key]!.toArray()).toEqual(one.toArray());
      }
    });
  });

  it('keeps tied weights tied in a .pth, and metadata beside the weights', () => {
    tidy(() => {
      const w = ops.ones([3]);
      saveTensors(path('tied.pth'), { a: w, b: w }, { epoch: '3' });
      const { tensors, entry, metadata } = loadTensors(path('tied.pth'));
      expect(tensors['a']).toBe(tensors['b']);
      expect([entry, JSON.parse(metadata['meta']!)]).toEqual(['state_dict', { epoch: '3' }]);
    });
  });

  it('refuses what a format does not have', () => {
    tidy(() => {
      expect(() => saveTensors(path('x.npz'), { w: tensor([1], { dtype: 'bfloat16' }) })).toThrow(
        refusal('unsupported', '"w"', 'bfloat16', 'NumPy'),
      );
      expect(() => saveTensors(path('x.npz'), { w: tensor([1]) }, { a: 'b' })).toThrow(
        refusal('unsupported', 'metadata', 'npz'),
      );
      expect(() => saveTensors(path('x.safetensors'), { w: ops.ones([1], { dtype: 'complex128' }) })).toThrow(
        refusal('unsupported', 'complex128', 'safetensors'),
      );
    });
  });

  it.each(['m.pth', 'm.npz', 'm.safetensors'])('a module to %s, loaded into another', (name) => {
    const [from, to] = [
      new Sequential(new Linear(2, 3), new Linear(3, 1)),
      new Sequential(new Linear(2, 3), new Linear(3, 1)),
    ];
    saveModule(path(name), from);
    loadModule(path(name), to);
    tidy(() => {
      for (const [key, one] of Object.entries(from.stateDict()))
        expect(to.stateDict()[key]!.toArray()).toEqual(one.toArray());
    });
  });
});
