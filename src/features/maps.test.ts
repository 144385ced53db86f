// What records become: maps of convolutions, tokens laid out again, attention of heads; and what has no map.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { Linear } from '../nn/index.ts';
import { arange, tensor, tidy, zeros } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Normalize } from '../data/index.ts';
import { imageOf } from './images.ts';
import { mapsOf } from './maps.ts';
import { MappedRecords } from './recording.ts';

const square = { inputSize: [32, 32], what: 'feat' } as const;
const shapes = (record: unknown, options = {}): number[][] =>
  mapsOf(record, { ...square, ...options }).map(({ shape }) => [...shape]);

it('takes maps of one image, alone and in lists', () => {
  tidy(() => {
    expect(shapes(zeros([1, 8, 4, 5]))).toEqual([[8, 4, 5]]);
    expect(shapes(zeros([8, 4, 5]))).toEqual([[8, 4, 5]]);
    expect(shapes([zeros([1, 2, 4, 4]), zeros([1, 4, 2, 2])])).toEqual([
      [2, 4, 4],
      [4, 2, 2],
    ]);
    expect(() => shapes(zeros([2, 8, 4, 4]))).toThrow(refusal('invalid-argument', 'feat', '[2, 8, 4, 4]'));
    expect(() => shapes(zeros([1, 8]))).toThrow(refusal('invalid-argument', '[1, 8]', 'pooling'));
    expect(() => shapes(zeros([1, 12, 512]))).toThrow(refusal('invalid-argument', '[1, 12, 512]'));
    expect(() => shapes({ a: 1 })).toThrow(refusal('invalid-argument', 'feat', 'dataIdx'));
    expect(() => shapes([])).toThrow(refusal('invalid-argument', 'empty'));
  });
});

it('lays tokens out as their patches lie, without those in front', () => {
  tidy(() => {
    const tokens = arange(0, 10, 1, { dtype: 'float32' }).reshape([1, 5, 2]); // a class token, 2 x 2 patches, 2 channels
    const [map] = mapsOf(tokens, square);
    expect([...map!.shape]).toEqual([2, 2, 2]);
    expect([...map!.data]).toEqual([2, 4, 6, 8, 3, 5, 7, 9]);
    expect(shapes(zeros([1, 198, 6]))).toEqual([[6, 14, 14]]); // and a token for distillation
    expect(shapes(zeros([1, 32, 6]), { inputSize: [64, 128] })).toEqual([[6, 4, 8]]);
  });
});

it('draws what the class token looks at, head by head', () => {
  tidy(() => {
    const weights = zeros([1, 3, 5, 5]).add(0.2);
    weights.select(2, 0).copy_(tensor([0.375, 0.0625, 0.125, 0.1875, 0.25]));
    const [map] = mapsOf(weights, { ...square, attention: true });
    expect([...map!.shape]).toEqual([3, 2, 2]);
    expect([...map!.data.slice(0, 4)]).toEqual([0.0625, 0.125, 0.1875, 0.25]);
    const pure = zeros([1, 1, 4, 4]); // no class token: what is looked at on the mean
    pure.select(3, 1).fill_(0.75);
    pure.select(3, 2).fill_(0.25);
    expect([...mapsOf(pure, { ...square, attention: true })[0]!.data]).toEqual([0, 0.75, 0.25, 0]);
    expect(() => shapes(zeros([64, 3, 49, 49]), { attention: true })).toThrow(refusal('invalid-argument', 'windows'));
    expect(() => shapes(zeros([1, 3, 5, 6]), { attention: true })).toThrow(refusal('invalid-argument', '[1, 3, 5, 6]'));
  });
});

it('shows inputs as the images they were', () => {
  using normalize = new Normalize({ mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7], reverseChannels: true });
  tidy(() => {
    const bytes = arange(0, 3 * 4 * 5, 1)
      .to('uint8')
      .reshape([1, 3, 4, 5]);
    const expected = [...imageOf(bytes, [])!.data];
    expect(expected.slice(0, 6)).toEqual([0, 20, 40, 1, 21, 41]);
    expect([...imageOf(normalize.apply(bytes), [normalize])!.data]).toEqual(expected);
    const gray = imageOf(
      tensor([
        [
          [
            [-1, 0],
            [1, 9],
          ],
        ],
      ]),
      [],
      [2, 1],
    )!; // the image in a padded input
    expect([gray.height, gray.width, ...gray.data]).toEqual([2, 1, 0, 0, 0, 51, 51, 51]);
    expect(imageOf(zeros([1, 2, 4, 4]), [])).toBeUndefined();
  });
});

it('names what there is not: recorders, modules, connectors', () => {
  const net = tidy(() => new Linear(4, 4));
  const recorders = { out: { type: 'ModuleOutputs', source: '' } };
  const one = { recorder: 'out', recordIdx: 0, dataIdx: null, connector: null, attention: false, minus: null };
  const make = (mappings: Record<string, typeof one>) => new MappedRecords({ recorders, mappings }, 'here');
  expect(() => make({ a: { ...one, recorder: 'outt' } })).toThrow(refusal('unknown-name', 'here', 'outt', '"out"'));
  expect(() => make({ a: { ...one, connector: 'con' as never } }).initialize(net)).toThrow(
    refusal('unknown-name', 'mappings.a', 'con'),
  );
  expect(() =>
    tidy(() =>
      make({ a: one })
        .initialize(net)
        .take(() => undefined, [2, 2]),
    ),
  ).toThrow(refusal('invalid-state', 'not called'));
  tidy(() => {
    const less = { ...one, minus: { recorder: 'out', recordIdx: 0, dataIdx: null, connector: null } as never };
    const input: Tensor = zeros([1, 3, 4, 4]);
    const maps = make({ a: less })
      .initialize(net)
      .take(() => net.forward(input), [4, 4]);
    expect(maps.get('a')![0]!.data.every((value) => value === 0)).toBe(true);
  });
  for (const parameter of net.parameters()) parameter.dispose();
});
