// Calls that crash libtorch, or give nonsense, are refused with the reason; those beside them are taken.
import { describe, expect, it } from 'vitest';

import { ops, tensor, tidy } from './index.ts';
import type { Tensor } from './index.ts';

const { ones, full } = ops;
const long = (...values: number[]): Tensor => tensor(values, { dtype: 'int64' });
const int = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' });
const smallest = (dtype: 'int32' | 'int64'): Tensor =>
  tensor([dtype === 'int32' ? -(2n ** 31n) : -(2n ** 63n)], { dtype });
const scores = (): Tensor => ones([4, 1, 3]).logSoftmax(2);
const one = (): Tensor => ones([1, 3]);
const sequence = (): Tensor => ones([1, 1, 3]);
const none = [true, 1, 0, false, false, false] as const;

const refused: [string, () => unknown, RegExp][] = [
  ['div, floor', () => smallest('int32').div(-1, { roundingMode: 'floor' }), /-2147483648 divided by -1 does not fit/],
  ['div, trunc', () => smallest('int64').div(long(-1), { roundingMode: 'trunc' }), /does not fit int64/],
  ['div_', () => smallest('int64').div_(-1, { roundingMode: 'floor' }), /does not fit int64/],
  ['divide', () => smallest('int32').divide(-1, { roundingMode: 'trunc' }), /does not fit int32/],
  ['floorDivide', () => smallest('int64').floorDivide(-1), /floor_divide: .*does not fit int64/],
  ['fmod', () => smallest('int64').fmod(-1), /fmod: .*does not fit int64/],
  ['remainder', () => int(5, -(2 ** 31)).remainder(int(2, -1)), /remainder: .*does not fit int32/],
  ['remainder_', () => smallest('int32').remainder_(-1n), /remainder_: .*does not fit int32/],

  ['full', () => full([1], -1, { dtype: 'uint8' }), /full: value: -1 does not fit uint8, which holds 0 to 255/],
  ['full of NaN', () => full([1], NaN, { dtype: 'int64' }), /value: NaN does not fit int64/],
  ['full of 2^63', () => full([1], 2 ** 63, { dtype: 'int64' }), /value: 9223372036854776000 does not fit int64/],
  ['fullLike', () => ops.fullLike(ones([2], { dtype: 'uint8' }), -1), /full_like: value: -1 does not fit uint8/],
  ['newFull', () => ones([2], { dtype: 'int8' }).newFull([2], 200), /new_full: value: 200 does not fit int8/],
  ['scalarTensor', () => ops.scalarTensor(-1, { dtype: 'uint8' }), /scalar_tensor: value: -1 does not fit uint8/],
  ['arange', () => ops.arange(0, 600, 200, { dtype: 'uint8' }), /arange: the last value: 400 does not fit uint8/],
  ['arange, start', () => ops.arange(-3, 3, 1, { dtype: 'uint8' }), /arange: start: -3 does not fit uint8/],
  ['linspace', () => ops.linspace(-3, 3, 3, { dtype: 'uint8' }), /linspace: start: -3 does not fit uint8/],
  ['logspace', () => ops.logspace(0, 30, 3, 10, { dtype: 'int32' }), /logspace: end: 1e\+30 does not fit int32/],

  ['asStrided', () => ones([3]).asStrided([3], [1], 2n ** 62n + 1000n), /reach element .* beyond any memory/],
  ['set_', () => ones([3]).set_(ones([2]), 2 ** 62, [2], [1]), /beyond any memory/],
  [
    'batchNormUpdateStats',
    () => ops.batchNormUpdateStats(ones([3, 2]), null, ones([0]), 0.1),
    /running_var must hold 2 values, one for each channel, got 0/,
  ],
  ['batchNormUpdateStats of nothing', () => ops.batchNormUpdateStats(ones([1, 0]), null, null, 0), /without empty/],
  [
    'nativeBatchNorm',
    () => ops.nativeBatchNorm(ones([2, 3]), ones([1]), null, null, null, true, 0, 1),
    /weight must hold 3 values/,
  ],
  [
    'nativeBatchNorm of nothing',
    () => ops.nativeBatchNorm(ones([0, 1]), null, null, null, null, false, 0, 1),
    /without empty/,
  ],
  ['gruCell', () => ops.gruCell(one(), one(), one(), one()), /gru_cell: w_ih must have 3 x 3 rows, .* got 1/],
  ['lstmCell', () => ops.lstmCell(one(), [one(), one()], ones([12, 3]), ones([3, 3])), /w_hh must have 4 x 3 rows/],
  [
    'gru',
    () => ops.gru(sequence(), sequence(), [ones([3, 3]), ones([9, 3]), ones([9]), ones([9])], ...none),
    /params\[0\] must have 3 x 3/,
  ],
  [
    'lstm',
    () =>
      ops.lstm(sequence(), [sequence(), sequence()], [ones([12, 3]), ones([12, 3]), ones([12]), ones([3])], ...none),
    /params\[3\] must have 4 x 3 rows/,
  ],
  [
    'rreluWithNoise',
    () => ops.rreluWithNoise(ones([1000]).neg(), ones([1]), 0.1, 0.3, true),
    /noise must have the shape of self/,
  ],
  [
    'rreluWithNoise_',
    () => ops.rreluWithNoise_(ones([1000]).neg(), ones([1]), 0.1, 0.3, true),
    /noise must have the shape of self/,
  ],
  [
    'embeddingBag',
    () => ops.embeddingBag(ones([]), ones([], { dtype: 'int32' }), ones([1, 0], { dtype: 'int64' })),
    /weight must have 2 dimensions/,
  ],
  ['histogramdd', () => ops.histogramdd(ones([3, 2]), []), /bins must have 2 entries, one for each column, got 0/],
  ['chooseQparamsOptimized', () => ops.chooseQparamsOptimized(ones([4]), -2, 4, 1, 0), /numel must be 4/],
  ['maxPool1d', () => ops.maxPool1d(ones([1, 1]), 2 ** 40), /kernel_size must be at most 2\^31, got 1099511627776/],
  [
    'fractionalMaxPool2d',
    () => ops.fractionalMaxPool2d(ones([1, 1, 4, 4]), [2, 2], [2, 2], ones([1, 1, 0])),
    /random_samples must be \[1, 1, 2\], got \[1, 1, 0\]/,
  ],
  [
    'linalgLdlSolve',
    () => ops.linalgLdlSolve(ones([2, 2]), int(99, 99), ones([2, 2])),
    /pivots must lie within 1 and 2/,
  ],
  [
    'searchsorted',
    () => ops.searchsorted(ones([3]), ones([2]), { sorter: long(9, 0, 1) }),
    /sorter must hold indices below 3/,
  ],

  ['nativeChannelShuffle', () => ops.nativeChannelShuffle(ones([3, 0]), 2), /images \(N, C, H, W\)/],
  [
    'nativeChannelShuffle into 0',
    () => ops.nativeChannelShuffle(ones([1, 2, 2, 2]), 0),
    /groups must be positive, got 0/,
  ],
  [
    'nativeChannelShuffle of fewer channels',
    () => ops.nativeChannelShuffle(ones([1, 1, 1]), 4),
    /groups must divide 1 channels/,
  ],
  ['pixelShuffle', () => ops.pixelShuffle(ones([1, 1, 1]), 2 ** 32), /upscale_factor must be at most/],

  ['ctcLoss', () => ops.ctcLoss(scores(), tensor([[99n]]), [4], [1]), /targets must lie within 0 and 2, got 99/],
  ['ctcLoss, lengths in tensors', () => ops.ctcLoss(scores(), long(-1), long(4), long(1)), /got -1/],
  ['matrixExp', () => ops.matrixExp(full([2, 2], NaN)), /the matrix has NaN/],
  ['ormqr', () => ops.ormqr(ones([2, 2]), ones([0]), ones([2, 2])), /tau must have 2 entries/],
  [
    'gridSampler',
    () => ops.gridSampler(ones([1, 1, 2, 2]), ones([1, 2, 2, 2]), 7, 0, false),
    /interpolation_mode must be 0, 1 or 2/,
  ],
  ['binomial', () => ops.binomial(full([1], NaN), ones([1])), /counts must be finite/],
  ['binomial, probabilities', () => ops.binomial(ones([1]), full([1], 2)), /probabilities must lie within 0 and 1/],
  ['poisson', () => ops.poisson(full([1], Infinity)), /rates must be below/],
];

const taken: [string, () => unknown][] = [
  ['div of floats', () => full([1], -(2 ** 31)).div(-1, { roundingMode: 'floor' })],
  ['div of small integers', () => int(-7).div(-1, { roundingMode: 'trunc' })],
  ['true division', () => smallest('int64').div(-1)],
  ['the smallest beside -1', () => int(-(2 ** 31), 4).remainder(int(3, -1))],
  ['int32 divided in int64', () => smallest('int32').div(long(-1), { roundingMode: 'floor' })],
  ['full', () => full([1], 255, { dtype: 'uint8' })],
  ['a fraction, cut off', () => full([1], 1.5, { dtype: 'int64' })],
  ['full of 2^63 - 1', () => full([1], 2n ** 63n - 1n, { dtype: 'int64' })],
  ['arange', () => ops.arange(0, 300, 100, { dtype: 'uint8' })],
  ['arange backwards', () => ops.arange(3, -1, -1, { dtype: 'uint8' })],
  ['asStrided', () => ones([4]).asStrided([2, 2], [2, 1], 0)],
  ['set_', () => ones([3]).set_(ones([2]))],
  ['batchNormUpdateStats', () => ops.batchNormUpdateStats(ones([3, 2]), ones([2]), ones([2]), 0.1)],
  ['gruCell', () => ops.gruCell(one(), one(), ones([9, 3]), ones([9, 3]))],
  ['gru', () => ops.gru(sequence(), sequence(), [ones([9, 3]), ones([9, 3]), ones([9]), ones([9])], ...none)],
  [
    'lstm with a projection',
    () =>
      ops.lstm(
        sequence(),
        [ones([1, 1, 2]), sequence()],
        [ones([12, 3]), ones([12, 2]), ones([12]), ones([12]), ones([2, 3])],
        ...none,
      ),
  ],
  ['embeddingBag', () => ops.embeddingBag(ones([3, 2]), long(0, 1), long(0))],
  ['histogramdd', () => ops.histogramdd(ones([3, 2]), [2, 2])],
  ['maxPool1d', () => ops.maxPool1d(ones([1, 1, 4]), 2)],
  ['fractionalMaxPool2d', () => ops.fractionalMaxPool2d(ones([1, 4, 4]), [2, 2], [2, 2], ones([1, 1, 2]).mul(0.5))],
  ['searchsorted', () => ops.searchsorted(ones([3]), ones([2]), { sorter: long(2, 0, 1) })],
  ['ctcLoss with padding', () => ops.ctcLoss(scores(), tensor([[1n, -1n]]), [4], [1])],
  ['ormqr', () => ops.ormqr(ones([2, 2]), ones([2]), ones([2, 2]))],
  ['poisson', () => ops.poisson(ones([2]))],
  ['binomial', () => ops.binomial(ones([2]), full([2], 0.5))],
];

describe('guards', () => {
  it.each(refused)('refuse %s', (_, call, reason) => {
    expect(() => tidy(() => void call())).toThrow(reason);
  });

  it.each(taken)('let %s pass', (_, call) => {
    expect(() => tidy(() => void call())).not.toThrow();
  });
});
