// Arguments: user code that runs while they are read, numbers that do not fit, what is not options, lists of a wrong length.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { callOperator, cat, full, memory, ones, ops, tensor, tidy, zeros } from './index.ts';
import type { Tensor } from './index.ts';

describe('code of a user that runs while arguments are read', () => {
  /** Uses the engine in all the ways that write on the call buffer. */
  function busy(): void {
    tidy(() => {
      const x = tensor([[1, 2, 3]]);
      void x.shape;
      void x.toArray();
      x.sum().item();
      cat([x, x], 0).mul(2);
      ones([300]).unbind(0);
    });
  }
  const withBusy = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, key): unknown {
        busy();
        const value: unknown = Reflect.get(object, key);
        return typeof value === 'function' ? value.bind(object) : value;
      },
    });

  it('getters of options', () => {
    const scale = tensor(2);
    let reads = 0;
    const options = {
      get alpha() {
        reads++;
        busy();
        return scale.item();
      },
    };
    expect(ops.add(tensor([1, 2]), tensor([10, 20]), options)).toBeAllClose([21, 42]);
    expect(reads).toBe(1);
    expect(ops.add(tensor([1, 2]), tensor([10, 20]), withBusy({ alpha: 2 }))).toBeAllClose([21, 42]);
    expect(ones([2, 3]).sum(withBusy({ dim: 1, dtype: 'float64' } as never))).toBeAllClose([3, 3]);
  });

  it('elements of lists, and lists whose length changes', () => {
    expect(zeros(withBusy([2, 3])).shape).toEqual([2, 3]);
    expect(cat(withBusy([ones([1]), zeros([1])]))).toBeAllClose([1, 0]);
    const shrinking = [0, 3, 4];
    Object.defineProperty(shrinking, 0, {
      get() {
        busy();
        shrinking.length = 1;
        return 2;
      },
    });
    expect(() => zeros(shrinking)).toThrow(refusal('invalid-argument', 'zeros'));
    const growing: Tensor[] = [];
    Object.defineProperty(growing, 0, {
      get() {
        for (let i = 0; i < 6000; i++) growing.push(ones([1]));
        return growing[1];
      },
    });
    expect(cat(growing)).toBeAllClose([1]);
  });

  it('a list that says another length each time', () => {
    let reads = 0;
    const list = new Proxy([8, 8], {
      get: (target, key): unknown => (key === 'length' && reads++ > 0 ? 5e8 : Reflect.get(target, key)),
    });
    const call = (): unknown => callOperator('upsample_bilinear2d', [ones([1, 1, 4, 4]), null, false, list]);
    expect((call() as Tensor).shape).toEqual([1, 1, 32, 32]); // the scale is 8
    expect(call).toThrow(refusal('invalid-argument', 'upsampleBilinear2d', '33554432', '500000000'));
    expect(ones([2]).sum().item()).toBe(2);
  });

  it('tensors behind a proxy, and calls inside calls inside calls', () => {
    expect(ops.add(withBusy(tensor([1, 2])), withBusy(tensor([3, 4])))).toBeAllClose([4, 6]);
    const nested = (depth: number): object => ({
      get alpha(): number {
        return depth === 0 ? 2 : ops.add(tensor(0), tensor(1), nested(depth - 1)).item();
      },
    });
    expect(ops.add(tensor(5), tensor(1), nested(6)).item()).toBe(7);
  });

  it('that throws: the next call is not affected', () => {
    const options = {
      get alpha(): number {
        throw new Error('from the getter');
      },
    };
    for (let i = 0; i < 3; i++) {
      expect(() => ops.add(tensor(1), tensor(2), options)).toThrow('from the getter');
      expect(ops.add(tensor(1), tensor(2)).item()).toBe(3);
    }
  });
});

describe('results and shapes longer than the call buffer', () => {
  it('thousands of results come at once', () => {
    const before = memory().tensors;
    const sums = tidy(() => {
      const parts = zeros([20_000, 2]).add(1).unbind(0);
      return [parts.length, parts.at(-1)!.sum().item()];
    });
    expect(sums).toEqual([20_000, 2]);
    expect(memory().tensors).toBe(before);
  });

  it('thousands of dimensions', () => {
    const shape = tidy(() => {
      let x = tensor([1]);
      for (let i = 0; i < 30_000; i += 10_000)
        x = callOperator('view', [x, Array<number>(i + 10_000).fill(1)]) as Tensor;
      return x.shape;
    });
    expect(shape).toHaveLength(30_000);
  });
});

describe('integers', () => {
  it('beyond int64 are refused by name, in every kind of argument', () => {
    const x = ones([2, 3]);
    expect(() => full([1], 2n ** 64n, { dtype: 'int64' })).toThrow(
      refusal('engine', 'full', 'value', '18446744073709551616', 'int64'),
    );
    expect(() => full([1], 2n ** 63n)).toThrow(refusal('invalid-argument', 'fillValue'));
    expect(() => full([1], -(2n ** 63n) - 1n)).toThrow(refusal('invalid-argument', 'fillValue'));
    expect(() => x.add(2n ** 70n)).toThrow(refusal('invalid-argument', 'add', 'other', 'int64'));
    expect(() => x.sum((2n ** 64n) as never)).toThrow(refusal('invalid-argument', 'sum', 'dim', 'int64'));
    expect(() => x.select(0, 2n ** 64n)).toThrow(refusal('invalid-argument', 'select', 'index', 'int64'));
    expect(() => x.select(0, 1e19)).toThrow(refusal('invalid-argument', 'select', 'index', 'int64'));
    expect(() => zeros([(2n ** 64n) as never])).toThrow(refusal('invalid-argument', 'zeros', 'size', 'int64'));
    expect(() => zeros([1e30])).toThrow(refusal('invalid-argument', 'zeros', 'size', 'int64'));
    expect(() =>
      callOperator('_foreach_add', [
        [x, x],
        [1, 2n ** 64n],
      ]),
    ).toThrow(refusal('invalid-argument', '_foreachAdd', 'scalars', 'int64'));
    expect(() => x.clamp({ min: 2n ** 64n })).toThrow(refusal('invalid-argument', 'clamp', 'min', 'int64'));
    expect(() => zeros([(10n ** 5000n) as never])).toThrow(refusal('invalid-argument', 'size', 'int64', 'beyond 1e40'));
  });

  it('up to its ends are exact, alone and in lists', () => {
    const ends = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
    for (const value of ends) expect(full([1], value, { dtype: 'int64' }).data()).toEqual(BigInt64Array.of(value));
    const x = tensor([0n, 1n]);
    const [a] = callOperator('_foreach_add', [[x], [2n ** 62n + 1n]]) as Tensor[];
    expect(a!.data()).toEqual(BigInt64Array.of(2n ** 62n + 1n, 2n ** 62n + 2n));
    expect(() => ones([4]).reshape([(2n ** 53n + 1n) as never, 4])).toThrow(refusal('engine', '9007199254740993'));
    expect(() => ones([4]).reshape([4, (2n ** 53n + 1n) as never])).toThrow(refusal('engine', '9007199254740993'));
  });

  it('of a float argument stay floats, whole or not', () => {
    expect(full([1], 9.25e18, { dtype: 'float64' }).item()).toBe(9.25e18);
    expect(full([1], 2 ** 63, { dtype: 'float64' }).item()).toBe(2 ** 63);
    expect(full([1], -(2 ** 63), { dtype: 'float64' }).item()).toBe(-(2 ** 63));
    expect(ones([1], { dtype: 'float64' }).mul(1e30).item()).toBe(1e30);
    expect(ones([1], { dtype: 'float64' }).add(9.25e18).item()).toBe(9.25e18);
    const [a] = callOperator('_foreach_mul', [[ones([1], { dtype: 'float64' })], [9.3e18]]) as Tensor[];
    expect(a!.item()).toBe(9.3e18);
    expect(() => ops.layerNorm(ones([2]), [2], { eps: (10n ** 400n) as never })).toThrow(
      refusal('invalid-argument', 'layerNorm', 'eps'),
    );
  });
});

describe('the last argument', () => {
  it('is options only where it is a plain object', () => {
    const x = ones([2]);
    expect(() => x.sum(Promise.resolve(0) as never)).toThrow(refusal('invalid-argument', 'sum'));
    expect(() => cat([Promise.resolve(x)] as never)).toThrow(refusal('invalid-argument', 'cat', 'a promise', 'await'));
    expect(() => ops.softmax(x, 0, new Map([['dtype', 'float64']]) as never)).toThrow(
      refusal('invalid-argument', 'softmax', 'Map'),
    );
    expect(() => x.sum(new Int32Array(0) as never)).toThrow(refusal('invalid-argument', 'Int32Array'));
    expect(() => x.sum(new Set([1]) as never)).toThrow(refusal('invalid-argument', 'Set'));
    expect(() => x.sum(new Date() as never)).toThrow(refusal('invalid-argument', 'Date'));
    expect(() =>
      x.sum(
        new (class Options {
          dim = 0;
        })() as never,
      ),
    ).toThrow(refusal('invalid-argument', 'Options'));
    expect(() => x.sum((() => 0) as never)).toThrow(refusal('invalid-argument', 'a function'));
    expect(() => x.sum(Object.create({ dim: 0 }) as never)).toThrow(refusal('invalid-argument', 'sum'));
    expect(x.sum({}).item()).toBe(2);
    expect(x.sum(Object.assign(Object.create(null), { dim: 0 })).item()).toBe(2);
  });

  it('that refers to itself is an error of ours', () => {
    const circle: unknown[] = [];
    circle.push(circle, { circle });
    expect(() => ones([2]).sum(circle as never)).toThrow(refusal('invalid-argument', 'sum', 'float32[2], [['));
    const options: Record<string, unknown> = {};
    options['dim'] = options;
    expect(() => ones([2]).sum(options as never)).toThrow(refusal('invalid-argument', 'sum'));
  });
});

describe('lists of a given length', () => {
  const image = (): Tensor => ops.arange(9).to('float32').reshape([1, 1, 3, 3]);

  it('take a number for all, alone or in a list', () => {
    expect(ops.reflectionPad2d(image(), 1)).toBeAllClose(ops.reflectionPad2d(image(), [1, 1, 1, 1]));
    expect(ops.reflectionPad2d(image(), [1])).toBeAllClose(ops.reflectionPad2d(image(), [1, 1, 1, 1]));
    expect(ops.maxPool2d(image(), [2], { stride: [1] }).toArray()).toEqual([
      [
        [
          [4, 5],
          [7, 8],
        ],
      ],
    ]);
    expect(ops.avgPool2d(image(), 2, [], 0).shape).toEqual([1, 1, 1, 1]); // as many as the kernel
  });

  it('refuse others by name', () => {
    const x = image();
    const row = ones([1, 1, 4]);
    const refused: [string, () => unknown][] = [
      ['toSparseBsr: blocksize', () => ops.toSparseBsr(ones([4, 4]), [])],
      ['toSparseBsc: blocksize', () => ops.toSparseBsc(ones([4, 4]), [])],
      ['reflectionPad1d: padding', () => ops.reflectionPad1d(row, [])],
      ['reflectionPad1d: padding', () => ops.reflectionPad1d(row, [1, 1, 1])],
      ['reflectionPad2d: padding', () => ops.reflectionPad2d(x, [1, 1])],
      ['replicationPad3d: padding', () => ops.replicationPad3d(ones([1, 1, 2, 2, 2]), [1, 1])],
      ['maxUnpool2d: outputSize', () => ops.maxUnpool2d(x, zeros([1, 1, 3, 3], { dtype: 'int64' }), [])],
      ['maxPool2d: kernelSize', () => ops.maxPool2d(x, [])],
      ['maxPool2d: kernelSize', () => ops.maxPool2d(x, [1, 1, 1])],
      ['conv2d: stride', () => ops.conv2d(x, ones([1, 1, 1, 1]), { stride: [1, 1, 1] })],
    ];
    for (const [start, call] of refused) {
      expect(call, start).toThrow(refusal('invalid-argument', `${start}: expected a list of `));
    }
    expect(() => callOperator('native_layer_norm_backward', [x, x, [3], x, x, null, null, [true]])).toThrow(
      refusal('invalid-argument', 'outputMask', '3', '1'),
    );
  });

  it('where any length is right, take any', () => {
    expect(ones([2, 3, 4]).sum([0, 2]).shape).toEqual([3]);
    expect(ones([2, 3]).sum([]).item()).toBe(6);
    expect(ops.roll(tensor([1, 2, 3]), [1], [0]).toArray()).toEqual([3, 1, 2]);
    expect(ones([2, 3]).amax([0, 1]).item()).toBe(1);
  });
});
