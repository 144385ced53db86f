// MiniLMLoss: the contract, its value by plain numbers, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { dot, kl, mean, relativeError, softmax } from '../../../test/plain.ts';
import type { Rows } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { MiniLMLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const of = (d: number, a: number, dtype: DType) => wave({ shape: [2, 2, 3, d], a, b: a, scale: 1.5 }, dtype);
const args = (dtype: DType = 'float64') => ({
  queriesS: of(2, 0.71, dtype),
  keysS: of(2, 0.37, dtype),
  valuesS: of(2, 0.53, dtype),
  queriesT: of(4, 0.43, dtype),
  keysT: of(4, 0.83, dtype),
  valuesT: of(4, 0.61, dtype),
});

describeLoss('MiniLMLoss', {
  args,
  trains: ['queriesS', 'keysS', 'valuesS'],
  constant: ['queriesT', 'keysT', 'valuesT'],
  extreme: ['queriesS', 'keysS', 'valuesS', 'queriesT', 'keysT', 'valuesT'],
  sameShape: [
    ['queriesS', 'keysS'],
    ['valuesT', 'queriesS'],
  ],
});

/** The relations of each sample and head, as rows of distributions. */
function relations(x: Tensor, y: Tensor): number[][] {
  const [a, b] = [x, y].map((tensor) => (tensor.toArray() as unknown as Rows[][]).flat()) as [Rows[], Rows[]];
  return a.flatMap((rows, i) =>
    rows.map((row) =>
      softmax(
        b[i]!.map((other) => dot(row, other)),
        Math.sqrt(row.length),
      ),
    ),
  );
}

it('adds KL of attention and of value relations', () => {
  expect(
    relativeError({ type: 'MiniLMLoss', attentionWeight: 0.5, valueWeight: 2 }, args, (given) => {
      const apart = (p: number[][], q: number[][]): number => mean(p.map((row, i) => kl(row, q[i]!)));
      const attention = apart(relations(given.queriesT, given.keysT), relations(given.queriesS, given.keysS));
      const values = apart(relations(given.valuesT, given.valuesT), relations(given.valuesS, given.valuesS));
      return 0.5 * attention + 2 * values;
    }),
  ).toBeLessThan(1e-9);
});

it('takes padding for not being there', () => {
  tidy(() => {
    const given = args();
    const short = Object.fromEntries(
      Object.entries(given).map(([name, x]) => [name, x.narrow(2, 0, 2)]),
    ) as typeof given;
    const mask = tensor([1, 1, 0]);
    const padding = mask.eq(0).view([1, 1, 3, 1]);
    const padded = Object.fromEntries(
      Object.entries(given).map(([name, x]) => [name, x.detach().maskedFill(padding, NaN).requiresGrad_()]),
    ) as typeof given;
    const loss = new MiniLMLoss({ valueWeight: 2 });
    const value = loss.forward({ ...padded, mask });
    expect(value).toBeAllClose(loss.forward(short), { rtol: 1e-12 });
    for (const one of grad([value], [padded.queriesS, padded.keysS, padded.valuesS])) {
      expect(one!.isfinite().all().item()).toBe(1);
      expect(one!.narrow(2, 2, 1).abs().sum().item()).toBe(0);
    }
    expect(loss.forward({ ...given, mask: tensor([1]) })).toBeAllClose(loss.forward(given), { rtol: 1e-12 });
    expect(loss.forward({ ...padded, mask: tensor([0]) }).item()).toBe(0);
    expect(() => loss.forward({ ...given, mask: tensor([1, 1]) })).toThrow(
      refusal('invalid-argument', 'mask', '[2, 3]', 'queriesS'),
    );
  });
});

it('refuses another number of heads', () => {
  tidy(() => {
    const keysT = wave({ shape: [2, 4, 3, 4], a: 0.1, b: 0 });
    expect(() => new MiniLMLoss().forward({ ...args(), keysT })).toThrow(
      refusal('invalid-argument', 'keysT', '[2, 2, 3]', '[2, 4, 3]'),
    );
  });
});
