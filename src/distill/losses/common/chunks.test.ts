// Losses in chunks of rows against the same losses at once: values, gradients, memory, and what cannot be had in chunks.
import { expect, it } from 'vitest';

import { refusal } from '../../../../test/refusal.ts';
import { wave } from '../../../../test/golden.ts';
import type { TypedConfig } from '../../../registry/index.ts';
import { grad, memory, noGrad, ones, randn, resetPeakMemory, tensor, tidy } from '../../../torch/index.ts';
import type { DType, Tensor } from '../../../torch/index.ts';
import { buildLoss, CrossEntropyLoss, KDSoftCELoss, KLDivergence } from '../index.ts';

const args = (dtype: DType, shape: number[]) => ({
  predsS: wave({ shape, a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape, a: 0.43, b: 1.1, scale: 2.5 }, dtype).detach(),
});
type Args = ReturnType<typeof args> & { weight?: Tensor };

const cases: [TypedConfig, number[]][] = [
  ...['batchmean', 'mean', 'sum'].map((reduction): [TypedConfig, number[]] => [
    { type: 'KLDivergence', tau: 3, lossWeight: 0.7, reduction },
    [7, 5],
  ]),
  [{ type: 'KLDivergence' }, [7, 5, 2, 2]],
  [{ type: 'CrossEntropyLoss', lossWeight: 0.5 }, [7, 5]],
  [{ type: 'CrossEntropyLoss' }, [7, 5, 2, 2]],
  [{ type: 'KDSoftCELoss', tau: 3, multTemSquare: false }, [7, 5]],
  [{ type: 'KDSoftCELoss', reduction: 'sum' }, [7, 2, 5]],
  ...[0, 1, -1].flatMap((dim): [TypedConfig, number[]][] =>
    ['KLDivergence', 'KDSoftCELoss', 'CrossEntropyLoss'].map((type) => [{ type, dim }, [4, 3, 5]]),
  ),
];

it.each(cases)('%j of %j is the same in chunks', (config, shape) => {
  tidy(() => {
    for (const dtype of ['float64', 'float32', 'bfloat16'] as const) {
      const given: Args = args(dtype, shape);
      if (config.type === 'KDSoftCELoss')
        given.weight = wave({ shape: shape.toSpliced((config['dim'] as number | undefined) ?? -1, 1), a: 1, b: 0.3 })
          .to(dtype)
          .detach();
      const results = [{}, ...[1, 2, 7, 100].map((chunkSize) => ({ chunkSize }))].map((more) => {
        const forward = buildLoss({ ...config, ...more }).forward as (given: Args) => Tensor;
        const value = forward({ ...given, predsS: given.predsS.mul(1) }); // not a leaf
        expect(value.shape).toEqual([]);
        const unrecorded = noGrad(() => forward(given));
        return { value, unrecorded, gradient: grad([value.mul(3)], [given.predsS])[0]! };
      });
      const rtol = { float64: 1e-13, float32: 2e-6, bfloat16: 1e-2 }[dtype];
      for (const { value, unrecorded, gradient } of results.slice(1)) {
        expect(value).toBeAllClose(results[0]!.value, { rtol });
        expect(unrecorded).toBeAllClose(value, { rtol: 0, atol: 0 });
        expect(gradient).toBeAllClose(results[0]!.gradient, { rtol, atol: rtol * 0.1 });
      }
    }
  });
});

it.each(['KLDivergence', 'KDSoftCELoss', 'CrossEntropyLoss'])(
  '%s leaves out what does not count, in chunks too',
  (type) => {
    tidy(() => {
      const given = args('float64', [4, 3, 5]);
      for (const dim of [0, 1, -1]) {
        const positions = [4, 3, 5].toSpliced(dim, 1);
        const mask = wave({ shape: positions, a: 1, b: 0.3 }).detach().gt(0);
        const [whole, ...chunked] = [undefined, 1, 2, 7].map((chunkSize) => {
          const forward = buildLoss({ type, dim, chunkSize }).forward as (given: object) => Tensor;
          const value = forward({ ...given, mask });
          return [value, grad([value], [given.predsS])[0]!] as const;
        });
        for (const [value, gradient] of chunked) {
          expect(value).toBeAllClose(whole![0], { rtol: 1e-12 });
          expect(gradient).toBeAllClose(whole![1], { rtol: 1e-12, atol: 1e-14 });
        }
      }
    });
  },
);

it('needs no more than the gradient, which is kept until backward', () => {
  tidy(() => {
    const [predsS, predsT] = [randn([2, 128, 4000]).requiresGrad_(), randn([2, 128, 4000])];
    const mask = ones([2, 128]);
    const size = 256 * 4000 * 4;
    const peak = (options: object): number => {
      const before = memory().bytes;
      resetPeakMemory();
      tidy(
        () =>
          void grad([new KLDivergence({ tau: 2, dim: -1, ...options }).forward({ predsS, predsT, mask })], [predsS]),
      );
      return (memory().peakBytes - before) / size;
    };
    const [plain, chunked] = [peak({}), peak({ chunkSize: 8 })];
    expect(plain).toBeGreaterThan(4);
    expect(chunked).toBeLessThan(2.3); // what is kept, the gradient itself, and one chunk
  });
});

it('refuses to lose a gradient of the teacher, to keep rows apart, and sizes that are not positive', () => {
  tidy(() => {
    const given = args('float32', [4, 5]);
    const open = { ...given, predsT: given.predsT.requiresGrad_() };
    const losing = refusal('invalid-argument', 'chunkSize', 'teacherDetach: true');
    expect(() => new KLDivergence({ chunkSize: 2, teacherDetach: false }).forward(open)).toThrow(losing);
    expect(() => new KDSoftCELoss({ chunkSize: 2 }).forward(open)).toThrow(losing);
    expect(new KLDivergence({ chunkSize: 2 }).forward(open).requiresGrad).toBe(true);
    expect(() => new CrossEntropyLoss({ chunkSize: 0 }).forward(given)).toThrow(
      refusal('invalid-argument', 'CrossEntropyLoss', 'chunkSize', 0),
    );
    expect(() => new KDSoftCELoss({ chunkSize: 2, reduction: 'none' }).forward(given)).toThrow(
      refusal('invalid-argument', 'chunkSize', '"none"'),
    );
  });
  expect(() => new KLDivergence({ chunkSize: 2, reduction: 'none' })).toThrow(
    refusal('invalid-argument', 'chunkSize', '"none"'),
  );
  expect(() => buildLoss({ type: 'KLDivergence', chunkSize: 1.5 })).toThrow(
    refusal('invalid-argument', 'chunkSize', 1.5),
  );
});

it('stays finite for logits of 1e4', () => {
  tidy(() => {
    const predsS = tensor(
      [
        [1e4, -1e4, 0],
        [0, 1e4, 1e4],
      ],
      { requiresGrad: true },
    );
    const loss = new KLDivergence({ chunkSize: 1 }).forward({ predsS, predsT: predsS.detach().neg() });
    const all = [loss, ...grad([loss], [predsS])].flatMap((one) => Array.from(one!.data(), Number));
    expect(all.every(Number.isFinite)).toBe(true);
  });
});
