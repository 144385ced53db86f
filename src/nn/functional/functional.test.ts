// Functions against PyTorch's numbers; identities between them as properties; errors.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import type { Formula, Stored } from '../../../test/fixtures.ts';
import { expectStored, formulaTensor, isFormula, lossWeights, readFixture } from '../../../test/fixtures.ts';
import type { RetortErrorCode } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { manualSeed, memory, ones, rand, randn, randint, tidy, zeros } from '../../torch/index.ts';
import { functional as F } from '../index.ts';

interface FunctionCase {
  name: string;
  fn: string;
  args: ((Formula | Stored) & { name: string })[];
  options: Record<string, unknown>;
  output: Stored;
  grads: Record<string, Stored>;
}

const { cases } = readFixture<{ cases: FunctionCase[] }>('functional');
const functions = { ...F } as unknown as Record<string, (...args: unknown[]) => Tensor>;

describe("PyTorch's numbers", () => {
  it.each(cases)('$name', ({ fn, args, options: given, output: expected, grads }) => {
    tidy(() => {
      const tensors = args.map((spec) => formulaTensor(spec, { requiresGrad: spec.name in grads }));
      const entries = Object.entries(given).map(([key, value]) => [
        key,
        isFormula(value) ? formulaTensor(value) : value,
      ]);
      const output = functions[fn]!(...tensors, Object.fromEntries(entries));
      expect(output.requiresGrad).toBe(Object.keys(grads).length > 0);
      expectStored(output, expected);
      if (Object.keys(grads).length > 0) {
        output.backward(output.shape.length === 0 ? ones([]) : lossWeights(output.shape));
      }
      for (const [i, { name }] of args.entries()) {
        if (name in grads) expectStored(tensors[i]!.grad!, grads[name]!);
      }
    });
  });
});

beforeEach(() => manualSeed(0));

const size = fc.integer({ min: 1, max: 6 });

describe('identities', () => {
  it('cross entropy with one-hot targets is that with classes', () => {
    fc.assert(
      fc.property(size, size, (n, c) =>
        tidy(() => {
          const logits = randn([n, c]).mul(5);
          const classes = randint(0, c, [n]);
          const soft = F.oneHot(classes, { numClasses: c }).to('float32');
          expect(F.crossEntropy(logits, soft)).toBeAllClose(F.crossEntropy(logits, classes), {
            rtol: 1e-4,
            atol: 1e-6,
          });
          const logs = F.logSoftmax(logits, { dim: 1 });
          expect(F.nllLoss(logs, classes)).toBeAllClose(F.crossEntropy(logits, classes), { rtol: 1e-4, atol: 1e-6 });
        }),
      ),
      { numRuns: 30 },
    );
  });

  it('a divergence is 0 of a distribution from itself, else above', () => {
    fc.assert(
      fc.property(size, size, (n, c) =>
        tidy(() => {
          const [a, b] = [F.logSoftmax(randn([n, c]), { dim: 1 }), F.logSoftmax(randn([n, c]), { dim: 1 })];
          expect(F.klDiv(a, a, { logTarget: true })).toBeAllClose(0, { atol: 1e-6 });
          const divergence = F.klDiv(a, b, { logTarget: true, reduction: 'batchmean' });
          expect(divergence.item()).toBeGreaterThanOrEqual(-1e-6);
          expect(F.klDiv(a, b.exp(), { reduction: 'batchmean' })).toBeAllClose(divergence, { rtol: 1e-4, atol: 1e-6 });
        }),
      ),
      { numRuns: 30 },
    );
  });

  it('softmax sums to 1, normalized vectors have length 1', () => {
    fc.assert(
      fc.property(size, size, (n, c) =>
        tidy(() => {
          const x = randn([n, c]).add(0.1);
          expect(F.softmax(x, { dim: 1 }).sum(1)).toBeAllClose(ones([n]), { atol: 1e-5 });
          const unit = F.normalize(x);
          expect(unit.square().sum(1)).toBeAllClose(ones([n]), { atol: 1e-4 });
          expect(F.cosineSimilarity(x, x.mul(3))).toBeAllClose(ones([n]), { atol: 1e-5 });
        }),
      ),
      { numRuns: 30 },
    );
  });

  it.each(['nearest', 'nearest-exact', 'bilinear', 'bicubic', 'area'] as const)(
    '%s to the same size changes nothing',
    (mode) => {
      tidy(() => {
        const x = rand([1, 2, 3, 4]);
        expect(F.interpolate(x, { size: [3, 4], mode })).toBeAllClose(x, { atol: 1e-6 });
        expect(F.interpolate(x, { scaleFactor: 2, mode }).shape).toEqual([1, 2, 6, 8]);
      });
    },
  );

  it('interpolation of signals and volumes', () => {
    tidy(() => {
      expect(F.interpolate(rand([1, 2, 4]), { scaleFactor: 2 }).shape).toEqual([1, 2, 8]);
      expect(F.interpolate(rand([1, 2, 4]), { size: 3, mode: 'nearest-exact' }).shape).toEqual([1, 2, 3]);
      expect(F.interpolate(rand([1, 1, 2, 3, 4]), { scaleFactor: [2, 1, 1], mode: 'trilinear' }).shape).toEqual([
        1, 1, 4, 3, 4,
      ]);
      expect(F.interpolate(rand([1, 1, 2, 3, 4]), { size: 2, mode: 'area' }).shape).toEqual([1, 1, 2, 2, 2]);
      expect(F.interpolate(rand([1, 1, 5, 5]), { size: 2, mode: 'bicubic', antialias: true }).shape).toEqual([
        1, 1, 2, 2,
      ]);
    });
  });

  it('padding and cutting the same gives the tensor back', () => {
    tidy(() => {
      const x = randn([1, 2, 3, 4]);
      const padded = F.pad(x, { pad: [1, 2, 3, 0], value: 7 });
      expect(padded.shape).toEqual([1, 2, 6, 7]);
      expect(F.pad(padded, { pad: [-1, -2, -3, 0] })).toBeAllClose(x);
    });
  });

  it('normalization of tiny vectors, and of zeros', () => {
    tidy(() => {
      expect(F.normalize(ones([1, 4]).mul(1e-8))).toBeAllClose([0.5, 0.5, 0.5, 0.5], { atol: 1e-6 });
      expect(F.normalize(zeros([1, 2]))).toBeAllClose([0, 0]);
    });
  });

  it('dropout and relu in place', () => {
    tidy(() => {
      const x = randn([4]);
      expect(F.dropout(x, { p: 0.9, training: false })).toBeAllClose(x);
      expect(F.relu(x, { inplace: true })).toBe(x);
      expect(x.min().item()).toBeGreaterThanOrEqual(0);
      expect(F.dropout(x, { p: 1, inplace: true })).toBeAllClose(zeros([4]));
    });
  });

  it('leave no intermediate tensors', () => {
    tidy(() => {
      const x = randn([2, 3]);
      const before = memory().tensors;
      const kept = F.normalize(x);
      expect(memory().tensors).toBe(before + 1);
      kept.dispose();
    });
  });
});

describe('errors', () => {
  const [x, y] = [(): Tensor => zeros([2, 3]), (): Tensor => zeros([3])];
  it.each<[mentions: string[], call: () => unknown, code?: RetortErrorCode]>([
    [
      ['crossEntropy: reduction', '"maen"', '"mean"'],
      () => F.crossEntropy(x(), y(), { reduction: 'maen' as 'mean' }),
      'unknown-name',
    ],
    [['crossEntropy: labelSmoothing', '[0, 1]', 'got 2'], () => F.crossEntropy(x(), x(), { labelSmoothing: 2 })],
    [
      ['klDiv: reduction', '"batchMean"', '"batchmean"'],
      () => F.klDiv(x(), x(), { reduction: 'batchMean' as 'batchmean' }),
      'unknown-name',
    ],
    [
      ['mseLoss: reduction', '"batchmean"'],
      () => F.mseLoss(x(), x(), { reduction: 'batchmean' as 'mean' }),
      'unknown-name',
    ],
    [['mseLoss: target', '[2, 3]', 'got [3]'], () => F.mseLoss(x(), y())],
    [['l1Loss: target', '[2, 3]', 'got [3]'], () => F.l1Loss(x(), y())],
    [['smoothL1Loss: target', '[2, 3]', 'got [3]'], () => F.smoothL1Loss(x(), y())],
    [['smoothL1Loss: beta', 'at least 0', 'got -1'], () => F.smoothL1Loss(x(), x(), { beta: -1 })],
    [['binaryCrossEntropyWithLogits: target', '[2, 3]', 'got [3]'], () => F.binaryCrossEntropyWithLogits(x(), y())],
    [['klDiv: target', '[2, 3]', 'got [3]'], () => F.klDiv(x(), y())],
    [
      ['pad: mode', '"reflct"', '"reflect"'],
      () => F.pad(x(), { pad: [1, 1], mode: 'reflct' as 'reflect' }),
      'unknown-name',
    ],
    [['pad: pad', 'integers in pairs', 'got [1]'], () => F.pad(x(), { pad: [1] })],
    [['dropout: p', '[0, 1]', 'got -1'], () => F.dropout(x(), { p: -1 })],
    [['"biliner"', '"bilinear"'], () => F.interpolate(x(), { size: 2, mode: 'biliner' as 'bilinear' })],
    [['interpolate: size', 'scaleFactor', 'got 2'], () => F.interpolate(x(), { size: 2, scaleFactor: 2 })],
    [['interpolate: scaleFactor', '> 0', 'got 0'], () => F.interpolate(x(), { scaleFactor: 0 })],
    [['interpolate: size', 'integer', 'list', 'got 1.5'], () => F.interpolate(x(), { size: 1.5 })],
    [
      ['interpolate: antialias', 'bilinear', 'bicubic', '"nearest"'],
      () => F.interpolate(x(), { size: 2, antialias: true }),
    ],
    [
      ['interpolate: recomputeScaleFactor', 'scaleFactor'],
      () => F.interpolate(x(), { size: 2, recomputeScaleFactor: true }),
    ],
    [
      ['interpolate: input', '"bilinear"', '(N, C, H, W)', 'got [2, 3]'],
      () => F.interpolate(x(), { size: 2, mode: 'bilinear' }),
    ],
    [['interpolate: size', '1 axes', 'got [2, 2]'], () => F.interpolate(zeros([1, 1, 4]), { size: [2, 2] })],
    [['Target 7'], () => F.crossEntropy(x(), x().select(1, 0).add(7).to('int64')), 'engine'],
  ])('%s', (mentions, call, code = 'invalid-argument') => {
    tidy(() => {
      expect(call).toThrow(refusal(code, ...mentions));
    });
  });
});
