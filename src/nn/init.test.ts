// Initializers and random streams against PyTorch's numbers; their formulas as properties; their errors.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import type { Formula, Stored } from '../../test/fixtures.ts';
import { expectStored, formulaTensor, readFixture } from '../../test/fixtures.ts';
import { RetortError } from '../errors.ts';
import type { DType, Tensor } from '../torch/index.ts';
import { getRandomState, manualSeed, noGrad, ones, ops, setRandomState, tidy, zeros } from '../torch/index.ts';
import type { Nonlinearity } from './init.ts';
import { buildLayer, functional, init, Parameter } from './index.ts';

interface DrawOptions {
  shape: number[];
  dtype?: DType;
  input: Formula;
  low: number;
  high: number;
  n: number;
  p: number;
  mean: number;
  std: number;
  from: number;
  to: number;
}

interface RandomFixture {
  streams: { name: string; seed: number; draws: { op: string; options: DrawOptions; output: Stored }[] }[];
  initializers: { name: string; fn: string; shape: number[]; options: object; seed: number; output: Stored }[];
  networks: {
    name: string;
    seed: number;
    layers: { type: string; options: object; stateDict: Record<string, Stored> }[];
  }[];
}

const fixture = readFixture<RandomFixture>('random');
/** Vectorized draws and fused multiply-adds differ in the last bits between processors: see test/fixtures/README.md. */
const close = { relative: 1e-5, atol: 1e-5 };

const draws: Record<string, (options: DrawOptions) => Tensor> = {
  rand: ({ shape, dtype = 'float32' }) => ops.rand(shape, { dtype }),
  randn: ({ shape, dtype = 'float32' }) => ops.randn(shape, { dtype }),
  randint: ({ shape, low, high }) => ops.randint(low, high, shape),
  randperm: ({ n }) => ops.randperm(n),
  bernoulli: ({ input }) => formulaTensor(input).bernoulli(),
  bernoulli_: ({ shape, p }) => zeros(shape).bernoulli_(p),
  normal_: ({ shape, mean, std }) => zeros(shape).normal_(mean, std),
  uniform_: ({ shape, from, to }) => zeros(shape).uniform_(from, to),
  dropout: ({ shape, p }) => functional.dropout(ones(shape), { p }),
  dropout2d: ({ shape, p }) => ops.featureDropout(ones(shape), p, true),
};

const fillers = { ...init } as unknown as Record<string, (tensor: Tensor, options: object) => Tensor>;

/** This file seeds the global generator: put its state back afterwards. */
let state: Tensor;
beforeAll(() => {
  state = getRandomState();
});
afterAll(() => {
  setRandomState(state);
  state.dispose();
});

describe("PyTorch's numbers", () => {
  it.each(fixture.streams)('stream: $name', ({ seed, draws: list }) => {
    tidy(() => {
      manualSeed(seed);
      const drawn = list.map(({ op, options }) => draws[op]!(options));
      expect(drawn.map((tensor) => tensor.shape)).toEqual(list.map(({ output }) => output.shape));
      for (const [i, { output }] of list.entries()) expectStored(drawn[i]!, output, close);
    });
  });

  it.each(fixture.initializers)('$name', ({ fn, shape, options, seed, output }) => {
    tidy(() => {
      const tensor = zeros(shape);
      manualSeed(seed);
      expect(fillers[fn]!(tensor, options)).toBe(tensor);
      expectStored(tensor, output, close);
    });
  });

  it.each(fixture.networks)('network: $name', ({ seed, layers }) => {
    tidy(() => {
      manualSeed(seed);
      const made = layers.map(({ type, options }) => buildLayer({ type, ...options }));
      for (const [i, layer] of made.entries()) {
        const values = layer.stateDict();
        const expected = layers[i]!.stateDict;
        expect(Object.keys(values)).toEqual(Object.keys(expected));
        for (const [name, stored] of Object.entries(expected)) expectStored(values[name]!, stored, close);
      }
    });
  });
});

describe('initializers', () => {
  it('fill parameters without a graph and make nothing that stays', () => {
    tidy(() => {
      const weight = new Parameter(zeros([4, 4]));
      init.truncNormal_(weight, { std: 0.02 });
      init.orthogonal_(weight);
      expect(weight.isLeaf).toBe(true);
      expect(noGrad(() => weight.matmul(weight.t()))).toBeAllClose(ops.eye(4), { atol: 1e-6 });
    });
  });

  it('fan: (out, in, ...kernel)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 5 }), (shape) => {
        const { fanIn, fanOut } = tidy(() => init.fanInAndFanOut(ops.zeros(shape)));
        const numel = shape.reduce((product, size) => product * size, 1);
        expect(fanIn * shape[0]!).toBe(numel);
        expect(fanOut * shape[1]!).toBe(numel);
      }),
    );
  });

  it('stay within their bounds', () => {
    tidy(() => {
      const tensor = zeros([64, 64]);
      const largest = (t: Tensor): number => t.abs().max().item();
      expect(largest(init.truncNormal_(tensor, { std: 10, a: -1, b: 0.5 }))).toBeLessThanOrEqual(1);
      expect(largest(init.xavierUniform_(tensor))).toBeLessThanOrEqual(Math.sqrt(6 / 128));
      expect(largest(init.kaimingUniform_(tensor))).toBeLessThanOrEqual(Math.sqrt(6 / 64));
    });
  });

  it('gains', () => {
    expect(init.calculateGain('relu')).toBe(Math.sqrt(2));
    expect(init.calculateGain('leaky_relu', 0.2)).toBe(Math.sqrt(2 / 1.04));
    expect(init.calculateGain('leaky_relu')).toBe(Math.sqrt(2 / (1 + 0.01 ** 2)));
    expect(init.calculateGain('tanh')).toBe(5 / 3);
  });

  it('name what is wrong', () => {
    tidy(() => {
      const [vector, matrix] = [zeros([3]), zeros([3, 3])];
      expect(() => init.calculateGain('rleu' as Nonlinearity)).toThrow(
        refusal('unknown-name', 'rleu', 'relu', 'nonlinearity'),
      );
      expect(() => init.kaimingNormal_(matrix, { mode: 'fanin' as 'fan_in' })).toThrow(
        refusal('unknown-name', 'fanin', 'fan_in'),
      );
      expect(() => init.kaimingNormal_(vector)).toThrow(refusal('invalid-argument', 'at least 2', '[3]'));
      expect(() => init.eye_(vector)).toThrow(RetortError);
      expect(() => init.dirac_(matrix)).toThrow(refusal('invalid-argument', 'dirac_', '3 to 5', '[3, 3]'));
      expect(() => init.dirac_(zeros([4, 2, 3]), { groups: 3 })).toThrow(
        refusal('invalid-argument', 'dirac_', 'groups', '4', '3'),
      );
      expect(() => init.truncNormal_(matrix, { a: 1, b: -1 })).toThrow(
        refusal('invalid-argument', 'truncNormal_', 'a 1', 'b -1'),
      );
    });
  });
});
