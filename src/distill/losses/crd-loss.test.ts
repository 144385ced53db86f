// CRDLoss: the contract, two batches by plain numbers, the state, the sampling, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { dot, mean, rowsOf, sum, unit } from '../../../test/plain.ts';
import type { Rows } from '../../../test/plain.ts';
import { grad, manualSeed, memory, tensor, tidy, zeros } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { similarities } from './common/contrast-memory.ts';
import { buildLoss, CRDLoss } from './index.ts';
import type { ContrastSample, CRDLossArguments, CRDLossOptions } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const sizes = { negNum: 5, sampleN: 10, dimOut: 4 };
const given: readonly ContrastSample[] = [7, 0, 3].map((sampleIdx) => ({
  sampleIdx,
  contrastSampleIdxs: [sampleIdx, 1, 9, 4, 4, 2],
}));
const args = (dtype: DType = 'float64', dataSamples = given): CRDLossArguments & Record<string, unknown> => ({
  sFeats: wave({ shape: [3, 4], a: 0.71, b: 0.2 }, dtype),
  tFeats: wave({ shape: [3, 4], a: 0.43, b: 1.1 }, dtype),
  dataSamples,
});

describeLoss('CRDLoss', {
  options: sizes,
  args,
  trains: ['sFeats', 'tFeats'],
  sameShape: [['sFeats', 'tFeats']],
  prepare: (loss, first) => {
    loss.to({ dtype: 'float64' });
    tidy(() => void (loss as CRDLoss).forward(first as never)); // sets the constants
    loss.eval(); // and from now on nothing moves
  },
});

const made = (options: CRDLossOptions = {}): CRDLoss => {
  manualSeed(3);
  return new CRDLoss({ ...sizes, ...options }).to({ dtype: 'float64' });
};

/** The loss, and what is remembered after it, for the memories and constants that it finds. */
function plain(state: { v1: Rows; v2: Rows; z?: number[] }, [s, t]: [Rows, Rows], [T, eps]: [number, number]) {
  const scores = (features: Rows, rows: Rows): number[][] =>
    features.map((x, n) => [...(given[n]!.contrastSampleIdxs as number[])].map((i) => Math.exp(dot(x, rows[i]!) / T)));
  const both = [scores(s, state.v2), scores(t, state.v1)];
  const z = state.z ?? both.map((rows) => mean(rows.flat()) * 10);
  const noise = 5 / 10;
  const terms = both.flatMap((rows, side) =>
    rows.map(([own, ...others]) => {
      const first = own! / z[side]!;
      const rest = others.map((one) => Math.log(noise / (one / z[side]! + noise + eps)));
      return -(Math.log(first / (first + noise + eps)) + sum(rest)) / 3;
    }),
  );
  const moved = (rows: Rows, features: Rows): Rows =>
    rows.map((row, i) => {
      const n = given.findIndex(({ sampleIdx }) => sampleIdx === i);
      return n < 0 ? row : unit(row.map((x, d) => 0.5 * x + 0.5 * features[n]![d]!));
    });
  return { loss: sum(terms), v1: moved(state.v1, s), v2: moved(state.v2, t), z };
}

it('contrasts with the other memory, sets Z once, and moves both memories afterwards', () => {
  tidy(() => {
    const loss = made({ lossWeight: 2 });
    const { sFeats, tFeats, dataSamples } = args();
    const features: [Rows, Rows] = [rowsOf(sFeats), rowsOf(tFeats)];
    let expected: ReturnType<typeof plain> | undefined;
    for (let step = 0; step < 3; step++) {
      const state = expected ?? { v1: rowsOf(loss.contrast.memory_v1), v2: rowsOf(loss.contrast.memory_v2) };
      expected = plain(state, features, [0.07, 1e-7]);
      expect(loss.forward({ sFeats, tFeats, dataSamples })).toBeAllClose(2 * expected.loss, { rtol: 1e-9 });
      expect(loss.contrast.memory_v1).toBeAllClose(expected.v1 as number[][], { rtol: 1e-9 });
      expect(loss.contrast.memory_v2).toBeAllClose(expected.v2 as number[][], { rtol: 1e-9 });
      expect(loss.contrast.params.narrow(0, 2, 2)).toBeAllClose(expected.z, { rtol: 1e-9 });
    }
  });
});

it('under compat ignores lossWeight, rounds the temperature, and has shape (1)', () => {
  tidy(() => {
    const loss = made({ lossWeight: 2, compat: 'mmrazor' });
    const { sFeats, tFeats, dataSamples } = args();
    const state = { v1: rowsOf(loss.contrast.memory_v1), v2: rowsOf(loss.contrast.memory_v2) };
    const expected = plain(state, [rowsOf(sFeats), rowsOf(tFeats)], [Math.fround(0.07), 1e-7]);
    const value = loss.forward({ sFeats, tFeats, dataSamples });
    expect(value.shape).toEqual([1]);
    expect(value).toBeAllClose([expected.loss], { rtol: 1e-12 });
  });
});

it('resumes exactly from its state dict, whose names are the original`s', () => {
  tidy(() => {
    const loss = made();
    loss.forward(args());
    const other = new CRDLoss(sizes).to({ dtype: 'float64' });
    const state = loss.stateDict();
    expect(Object.keys(state)).toEqual(['contrast.params', 'contrast.memory_v1', 'contrast.memory_v2']);
    other.loadStateDict(state);
    for (let step = 0; step < 2; step++) expect(other.forward(args()).item()).toBe(loss.forward(args()).item());
  });
});

it('keeps no graph of earlier batches, and in evaluation mode remembers nothing', () => {
  const loss = made();
  const { sFeats, tFeats, dataSamples } = args();
  const step = (): void => tidy(() => void grad([loss.forward({ sFeats, tFeats, dataSamples })], [sFeats, tFeats]));
  step();
  const { tensors, bytes } = memory();
  step();
  step();
  expect(memory()).toMatchObject({ tensors, bytes });
  expect(loss.contrast.params.requiresGrad || loss.contrast.memory_v1.requiresGrad).toBe(false);
  loss.eval();
  tidy(() => {
    const before = loss.contrast.memory_v1.clone();
    loss.forward({ sFeats, tFeats, dataSamples });
    expect(loss.contrast.memory_v1).toBeAllClose(before, { rtol: 0, atol: 0 });
  });
  for (const one of [sFeats, tFeats, ...loss.buffers()]) one.dispose();
});

it("draws the others from libtorch's generator, the sample itself first", () => {
  tidy(() => {
    const dataSamples = given.map(({ sampleIdx }) => ({ sampleIdx: sampleIdx! }));
    const value = (seed: number): number => {
      const loss = made();
      manualSeed(seed);
      return loss.forward(args('float64', dataSamples)).item();
    };
    expect(value(1)).toBe(value(1));
    expect(value(1)).not.toBe(value(2));
  });
});

it('gives the same similarities from all products and from gathered vectors', () => {
  tidy(() => {
    const features = wave({ shape: [3, 4], a: 0.71, b: 0.2 });
    const remembered = wave({ shape: [10, 4], a: 0.3, b: 0.7 });
    const samples = tensor([7n, 1n, 7n, 0n, 9n, 9n], { shape: [3, 2] });
    const [all, gathered] = [true, false].map((way) => similarities(features, remembered, samples, way));
    expect(all!).toBeAllClose(gathered!, { rtol: 1e-12 });
    const gradients = [all!, gathered!].map((one) => grad([one.square().sum()], [features])[0]!);
    expect(gradients[0]!).toBeAllClose(gradients[1]!, { rtol: 1e-12 });
  });
});

it('says which sample has no number, a number too high, or not enough others', () => {
  tidy(() => {
    const loss = made();
    const call = (dataSamples: readonly ContrastSample[]) => (): unknown => loss.forward(args('float64', dataSamples));
    expect(call([{ sampleIdx: 1 }, {}, { sampleIdx: 2 }])).toThrow(
      refusal('invalid-argument', 'CRDLoss', 'dataSamples[1]', 'sampleIdx'),
    );
    expect(call([{ sampleIdx: 1 }, { sampleIdx: 3 }, { sampleIdx: 10 }])).toThrow(
      refusal('invalid-argument', 'sampleIdx', 'dataSamples[2]', 0, 9, 10, 'sampleN'),
    );
    expect(call([{ sampleIdx: 1 }])).toThrow(refusal('invalid-argument', 'dataSamples', 3, 'got 1'));
    expect(call([given[0]!, { sampleIdx: 1 }, given[2]!])).toThrow(
      refusal('invalid-argument', 'contrastSampleIdxs', 'dataSamples[1]', 6),
    );
    expect(call([given[0]!, { sampleIdx: 1, contrastSampleIdxs: [1, 2] }, given[2]!])).toThrow(
      refusal('invalid-argument', 'negNum', 1, 2),
    );
    const wide = { sFeats: zeros([3, 8]), tFeats: zeros([3, 8]), dataSamples: given };
    expect(() => loss.forward(wide)).toThrow(
      refusal('invalid-argument', '[N, 4]', '[3, 8]', 'dimIn', 'dimOut', 'CRDConnector', 8, 4),
    );
  });
  expect(() => buildLoss({ type: 'CRDLoss', momentum: 2 })).toThrow(refusal('invalid-argument', 'momentum', 2));
});
