// AFDLoss: the contract, its value by plain numbers, its learned parts, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { blockMeans, column, dot, mapsOf, mean, rowsOf, softmax, squaredDistance, unit } from '../../../test/plain.ts';
import type { Rows } from '../../../test/plain.ts';
import { grad, manualSeed, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { AFDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const options = { sChannels: [2, 3], tChannels: [3], qkDim: 4 };
const args = (dtype: DType = 'float64') => ({
  sFeatures: [
    wave({ shape: [3, 2, 4, 4], a: 0.71, b: 0.2 }, dtype),
    wave({ shape: [3, 3, 2, 2], a: 0.37, b: 0.5, scale: 2 }, dtype),
  ],
  tFeatures: [wave({ shape: [3, 3, 2, 2], a: 0.43, b: 1.1 }, dtype)],
});

describeLoss('AFDLoss', {
  options,
  args,
  trains: ['sFeatures'],
  constant: ['tFeatures'],
  extreme: ['sFeatures', 'tFeatures'],
  sameShape: [['sFeatures', 'tFeatures']],
  single: false, // its batch norms want more than one sample, and say so
});

/** A linear layer and batch norm (as made: scale 1, shift 0) of rows. */
function normalizedLinear(rows: Rows, state: Record<string, Tensor>, path: string): number[][] {
  const weights = rowsOf(state[`${path}.linear.weight`]!);
  const bias = rowsOf(state[`${path}.linear.bias`]!).flat();
  const linear = rows.map((row) => weights.map((weight, i) => dot(weight, row) + bias[i]!));
  return linear.map((row) =>
    row.map((x, i) => {
      const values = column(linear, i);
      return (x - mean(values)) / Math.sqrt(mean(values.map((y) => (y - mean(values)) ** 2)) + 1e-5);
    }),
  );
}

const means = (map: Tensor): number[][] => mapsOf(map).map((sample) => sample.map(mean));

/** Mean of squares over channels, at 2x2, of length 1. */
function energies(map: Tensor, side: number): number[][] {
  return mapsOf(map).map((maps) => {
    const squares = maps[0]!.map((_, place) => mean(column(maps, place).map((x) => x ** 2)));
    return unit(blockMeans(squares, side, 2));
  });
}

function plain({ sFeatures, tFeatures }: ReturnType<typeof args>, state: Record<string, Tensor>): number {
  const query = normalizedLinear(means(tFeatures[0]!), state, 'attention.queries.0');
  const key = sFeatures.map((map, s) =>
    normalizedLinear(means(map), state, `attention.keys.${s}`).map((row) => row.map((x) => Math.max(0, x))),
  );
  const interleaved = query.flatMap((_, n) => key.map((rows) => rows[n]!)); // samples outside, layers inside
  const keys = normalizedLinear(interleaved, state, 'attention.bilinear');
  const place = rowsOf(state['attention.p_t']!)[0]!;
  const places = rowsOf(state['attention.p_s']!).map((row) => dot(row, place));
  const [target, ...student] = [energies(tFeatures[0]!, 2), energies(sFeatures[0]!, 4), energies(sFeatures[1]!, 2)];
  const each = query.map((row, n) => {
    const weights = softmax(
      places.map((p, s) => dot(row, keys[n * 2 + s]!) + p),
      2, // the root of qkDim
    );
    return dot(
      weights,
      student.map((rows) => squaredDistance(rows[n]!, target[n]!) / 4),
    );
  });
  return mean(each);
}

it('weighs the layers of the student by attention, which is learned', () => {
  manualSeed(3);
  tidy(() => {
    const loss = new AFDLoss(options).to({ dtype: 'float64' });
    const given = args();
    const value = loss.forward(given);
    expect(value).toBeAllClose(plain(given, loss.stateDict()), { rtol: 1e-9 });
    const gradients = grad([value], loss.parameters(), { allowUnused: true });
    expect(gradients.every((one) => one !== null)).toBe(true);
  });
});

it('refuses lists of another length and other channels', () => {
  tidy(() => {
    const { sFeatures, tFeatures } = args('float32');
    const loss = new AFDLoss(options);
    expect(() => loss.forward({ sFeatures, tFeatures: [] })).toThrow(
      refusal('invalid-argument', 'tFeatures', 1, 0, 'tChannels'),
    );
    expect(() => loss.forward({ sFeatures: sFeatures.toReversed(), tFeatures })).toThrow(
      refusal('invalid-argument', 'sFeatures[0]', 2),
    );
  });
});
