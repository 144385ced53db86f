// DISTLoss: the contract, the original's numbers, what it does not change with, and eps.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { column, dot, mean, rowsOf, softmax } from '../../../test/plain.ts';
import type { Row, Rows } from '../../../test/plain.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { DISTLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('DISTLoss');

const args = (dtype: DType = 'float64') => ({
  logitsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  logitsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('DISTLoss', {
  options: { tau: 2 },
  args,
  minusInfinity: ['logitsS', 'logitsT', 'all'],
  trains: ['logitsS'],
  constant: ['logitsT'],
  extreme: ['logitsS', 'logitsT'],
  sameShape: [['logitsS', 'logitsT']],
});

function pearson(a: Row, b: Row): number {
  const [x, y] = [a, b].map((row) => row.map((value) => value - mean(row))) as [number[], number[]];
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

it('is one minus the correlations over classes and over samples, exact however small with a small eps', () => {
  tidy(() => {
    const { logitsS, logitsT } = args();
    const tau = 500; // deviations of 1e-3: the products of norms are about 1e-6
    const [q, p] = [logitsS, logitsT].map((logits) => rowsOf(logits).map((row) => softmax(row, tau))) as Rows[] as [
      Rows,
      Rows,
    ];
    const inter = 1 - mean(q.map((row, n) => pearson(row, p[n]!)));
    const intra = 1 - mean([0, 1, 2, 3, 4].map((c) => pearson(column(q, c), column(p, c))));
    const options = { tau, interLossWeight: 2, intraLossWeight: 3 };
    const exact = new DISTLoss({ ...options, eps: 1e-16 }).forward({ logitsS, logitsT });
    expect(exact).toBeAllClose(tau ** 2 * (2 * inter + 3 * intra), { rtol: 1e-7 });
    const usual = new DISTLoss(options).forward({ logitsS, logitsT }).item();
    expect(Math.abs(usual / exact.item() - 1)).toBeGreaterThan(1e-4);
  });
});

it('takes score maps, a position like a batch of its own', () => {
  tidy(() => {
    const { logitsS, logitsT } = args();
    const twice = (logits: Tensor): Tensor => logits.unsqueeze(2).expand([4, 5, 3]);
    const value = new DISTLoss().forward({ logitsS: twice(logitsS), logitsT: twice(logitsT) });
    expect(value).toBeAllClose(new DISTLoss().forward({ logitsS, logitsT }), { rtol: 1e-12 });
  });
});

it('is 0 for equal logits, the same for shifted ones, and within [0, 4] at temperature 1', () => {
  const logits = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 12, maxLength: 12 });
  fc.assert(
    fc.property(logits, logits, (ours, theirs) =>
      tidy(() => {
        const [logitsS, logitsT] = [ours, theirs].map((one) => tensor(one, { shape: [3, 4], dtype: 'float64' }));
        const value = new DISTLoss().forward({ logitsS: logitsS!, logitsT: logitsT! }).item();
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(4);
        const shifted = new DISTLoss().forward({ logitsS: logitsS!.add(5), logitsT: logitsT! }).item();
        expect(shifted).toBeCloseTo(value, 4);
      }),
    ),
  );
  tidy(() => {
    const { logitsS } = args();
    expect(new DISTLoss().forward({ logitsS, logitsT: logitsS.clone() }).item()).toBeCloseTo(0, 6);
  });
});
