// LabelCrossEntropyLoss: the contract, numbers by libtorch and by hand, padding, and labels that make no sense.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { functional } from '../../nn/index.ts';
import { grad, memory, randn, resetPeakMemory, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { LabelCrossEntropyLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const logits = (dtype: DType = 'float64', shape: readonly number[] = [6, 7]): Tensor =>
  wave({ shape: [...shape], a: 0.71, b: 0.2, scale: 2 }, dtype);
const classes = (): Tensor => tensor([0n, 3n, 6n, 2n, 2n, 5n]);

describeLoss('LabelCrossEntropyLoss', {
  args: (dtype) => ({ predsS: logits(dtype), gtLabels: classes() }),
  options: { labelSmoothing: 0.1 },
  trains: ['predsS'],
});

it('is the cross-entropy of libtorch, for classes and for shares, smoothed or not, also in chunks', () => {
  tidy(() => {
    const predsS = logits('float64', [6, 7, 2]);
    const gtLabels = tensor([0n, 3n, 6n, 2n, 2n, 5n, 1n, 1n, 0n, 4n, 6n, 3n]).view([6, 2]);
    const shares = logits('float64', [6, 7, 2]).detach().mul(0.3).softmax(1);
    for (const labelSmoothing of [0, 0.2]) {
      for (const targets of [gtLabels, shares]) {
        const expected = functional.crossEntropy(predsS, targets, { labelSmoothing });
        for (const chunkSize of [undefined, 1, 5]) {
          const loss = new LabelCrossEntropyLoss({ labelSmoothing, chunkSize });
          expect(loss.forward({ predsS, gtLabels: targets })).toBeAllClose(expected, { rtol: 1e-12 });
        }
        const each = new LabelCrossEntropyLoss({ labelSmoothing, reduction: 'none' });
        expect(each.forward({ predsS, gtLabels: targets })).toBeAllClose(
          functional.crossEntropy(predsS, targets, { labelSmoothing, reduction: 'none' }),
          { rtol: 1e-12 },
        );
      }
    }
    const last = new LabelCrossEntropyLoss({ dim: -1, lossWeight: 2 });
    expect(last.forward({ predsS: predsS.movedim(1, -1), gtLabels })).toBeAllClose(
      functional.crossEntropy(predsS, gtLabels).mul(2),
      { rtol: 1e-12 },
    );
  });
});

it('counts tokens and no padding, as torchtune does: -100 by default', () => {
  tidy(() => {
    const predsS = logits('float64', [2, 3, 5]).detach();
    predsS.select(0, 1).select(0, 2).fill_(NaN);
    predsS.requiresGrad_();
    const gtLabels = tensor([1n, 4n, 0n, 2n, 3n, -100n]).view([2, 3]);
    const loss = new LabelCrossEntropyLoss({ dim: -1 }).forward({ predsS, gtLabels });
    const [rows, labels] = [predsS.reshape([-1, 5]).narrow(0, 0, 5), gtLabels.reshape([-1]).narrow(0, 0, 5)];
    expect(loss).toBeAllClose(functional.crossEntropy(rows, labels), { rtol: 1e-12 });
    const [gradient] = grad([loss], [predsS]);
    expect(gradient!.isfinite().all().item()).toBe(1);
    expect(gradient!.select(0, 1).select(0, 2).abs().sum().item()).toBe(0);
  });
});

it('makes nothing of the size of the logits in chunks, but their gradient', () => {
  tidy(() => {
    const [predsS, gtLabels] = [randn([4, 64, 4000]).requiresGrad_(), tensor(new BigInt64Array(256)).view([4, 64])];
    const before = memory().bytes;
    resetPeakMemory();
    tidy(() => {
      const loss = new LabelCrossEntropyLoss({ dim: -1, chunkSize: 8 });
      void grad([loss.forward({ predsS, gtLabels })], [predsS]);
    });
    expect((memory().peakBytes - before) / (256 * 4000 * 4)).toBeLessThan(2.3);
  });
});

it('refuses labels that make no sense, and says which', () => {
  tidy(() => {
    const predsS = logits();
    const forward = (gtLabels: Tensor, options = {}) =>
      new LabelCrossEntropyLoss(options).forward({ predsS, gtLabels });
    expect(() => forward(tensor([0n, 3n, 7n, 2n, 2n, 5n]))).toThrow(
      refusal('invalid-argument', 'gtLabels', 'predsS', 2, 7),
    );
    expect(() => forward(tensor([0n, 3n]))).toThrow(refusal('invalid-argument', '[6]', '[6, 1]', 'gtLabels'));
    expect(() => forward(tensor([0, 1, 2, 3, 4, 5]))).toThrow(refusal('invalid-argument', 'int64', 'float32'));
    expect(() => forward(classes(), { chunkSize: 2, reduction: 'none' })).toThrow(
      refusal('invalid-argument', 'chunkSize', '"none"'),
    );
    const maps = new LabelCrossEntropyLoss();
    const deep = { predsS: logits('float64', [2, 7, 3]), gtLabels: tensor([0n, 1n, 2n, 3n, -1n, 5n]).view([2, 3]) };
    expect(() => maps.forward(deep)).toThrow(refusal('invalid-argument', '[1, 1]', 'gtLabels', -1));
  });
});
