// FGDLoss: the contract, its value by plain numbers, its learned parts, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { column, dot, mapsOf, mean, relativeError, softmax, sum } from '../../../test/plain.ts';
import { grad, manualSeed, noGrad, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { FGDLoss } from './index.ts';
import type { FGDLossArguments } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 4, 2, 2], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 4, 2, 2], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  boxes: [[[0, 0, 4, 4]], []] as unknown as FGDLossArguments['boxes'] & {},
  inputs: wave({ shape: [2, 1, 20, 20], a: 0.1, b: 0 }, dtype),
});

const options = { channels: 4, alpha: 0.1, beta: 0.2, gamma: 0.3, lambda: 0.4 };

describeLoss('FGDLoss', {
  options,
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

// The box reaches over rows 0 to 1 and columns 0 to 1: all of the first image. The second has none.
const foreground = [Array<number>(4).fill(1 / 4), Array<number>(4).fill(0)];
const background = [Array<number>(4).fill(0), Array<number>(4).fill(1 / 4)];

const attention = (maps: number[][]): { places: number[]; channels: number[] } => {
  const size = maps.map((map) => map.map(Math.abs));
  const places = softmax([0, 1, 2, 3].map((i) => mean(column(size, i)) / 0.5)).map((x) => 4 * x);
  return { places, channels: softmax(size.map((map) => mean(map) / 0.5)).map((x) => 4 * x) };
};

/** The focal part and the attention, weighted; and the global part of given contexts. */
function plain(
  { sFeature, tFeature }: { sFeature: Tensor; tFeature: Tensor },
  context: (maps: number[][], side: 's' | 't') => number[] = () => [0, 0, 0, 0],
): number {
  const teacher = mapsOf(tFeature);
  const each = mapsOf(sFeature).map((s, n) => {
    const t = teacher[n]!;
    const [ours, theirs] = [attention(s), attention(t)];
    const [addS, addT] = [context(s, 's'), context(t, 't')];
    let [front, back, related] = [0, 0, 0];
    for (const [c, map] of s.entries()) {
      for (const [i, x] of map.entries()) {
        const square = theirs.places[i]! * theirs.channels[c]! * (x - t[c]![i]!) ** 2;
        front += foreground[n]![i]! * square;
        back += background[n]![i]! * square;
        related += (x + addS[c]! - t[c]![i]! - addT[c]!) ** 2;
      }
    }
    const apart = (a: number[], b: number[]): number => sum(a.map((x, i) => Math.abs(x - b[i]!)));
    const seen = apart(ours.places, theirs.places) + apart(ours.channels, theirs.channels);
    return 0.1 * front + 0.2 * back + 0.3 * seen + 0.4 * related;
  });
  return mean(each);
}

it('adds foreground, background, attention and, at first without context, the global part', () => {
  expect(relativeError({ type: 'FGDLoss', ...options }, args, (given) => plain(given))).toBeLessThan(1e-9);
});

it('adds the global context of each side once it is learned', () => {
  manualSeed(5);
  tidy(() => {
    const loss = new FGDLoss(options).to({ dtype: 'float64' });
    noGrad(() => loss.parameters().forEach((parameter) => parameter.normal_(0, 0.5)));
    const state = loss.stateDict();
    const numbers = (name: string): number[] => Array.from(state[name]!.data(), Number);
    const matrix = (name: string, width: number): number[][] => {
      const all = numbers(name);
      return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));
    };
    const context = (maps: number[][], side: 's' | 't'): number[] => {
      const scores = [0, 1, 2, 3].map((i) => dot(numbers(`conv_mask_${side}.weight`), column(maps, i)));
      const pooled = maps.map((map) => dot(map, softmax(scores)));
      const path = `channel_add_conv_${side}`;
      const layer = (at: number, x: number[]): number[] => {
        const bias = numbers(`${path}.${at}.bias`);
        return matrix(`${path}.${at}.weight`, x.length).map((row, i) => dot(row, x) + bias[i]!);
      };
      const narrow = layer(0, pooled);
      const deviation = Math.sqrt(mean(narrow.map((x) => (x - mean(narrow)) ** 2)) + 1e-5);
      const [scale, shift] = [numbers(`${path}.1.weight`), numbers(`${path}.1.bias`)];
      const normal = narrow.map((x, i) => ((x - mean(narrow)) / deviation) * scale[i]! + shift[i]!);
      return layer(
        3,
        normal.map((x) => Math.max(0, x)),
      );
    };
    const given = args();
    const value = loss.forward(given);
    expect(value).toBeAllClose(plain(given, context), { rtol: 1e-9 });
    expect(grad([value], loss.parameters(), { allowUnused: true }).every((one) => one !== null)).toBe(true);
  });
});

it('refuses maps of other channels, and boxes of another number of images', () => {
  tidy(() => {
    const given = args('float32');
    expect(() => new FGDLoss({ channels: 8 }).forward(given)).toThrow(refusal('invalid-argument', '[2, 4, 2, 2]', 8));
    expect(() => new FGDLoss(options).forward({ ...given, boxes: [] })).toThrow(
      refusal('invalid-argument', 'boxes', 2, 'got 0'),
    );
  });
});
