// Networks, heads and losses against the numbers of MMClassification and MMRazor: names and shapes of the state dict, outputs on
// weights by formula, in float64. See fixtures/README.md.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { Module } from '../nn/index.ts';
import { grad, noGrad, Tensor, tensor, tidy } from '../torch/index.ts';
import { buildBackbone, buildHead, buildHeadLoss } from './index.ts';
import type { HeadLossOption } from './index.ts';
interface Printed {
  shape: number[];
  sum: number;
  absSum: number;
  /** The first four. */
  first: number[];
}

interface Reference {
  backbones: {
    type: string;
    options: Record<string, unknown>;
    input: number[];
    /** Of the state dict. */
    entries: number;
    /** The beginning of the SHA-256 of its lines `name:size,size`, sorted by name. */
    names: string;
    outputs: Printed[];
  }[];
  heads: { type: string; options: Record<string, unknown>; features: number[][]; names: string[]; output: Printed }[];
  losses: {
    type: string;
    options: Record<string, unknown>;
    target: 'index' | 'soft' | 'multi';
    avgFactor: number | null;
    value: number | number[];
    /** By the scores, the first six. */
    grad: number[];
  }[];
}

const reference = JSON.parse(readFileSync(new URL('./fixtures/networks.json', import.meta.url), 'utf8')) as Reference;

/** `count` numbers within [-0.5, 0.5) that depend on `stream` alone, by a hash in 32 bits. */
function scattered(count: number, stream: number): Float64Array {
  const salt = Math.imul(stream + 1, 2246822519);
  return Float64Array.from({ length: count }, (_, i) => {
    let hash = Math.imul(i + 1, 2654435761) ^ salt;
    hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
    return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32 - 0.5;
  });
}

/** Numbers of {@link scattered} times `scale`, float64. */
function scatteredTensor(shape: readonly number[], stream: number, scale = 1): Tensor {
  const values = scattered(
    shape.reduce((product, size) => product * size, 1),
    stream,
  );
  return tensor(
    values.map((value) => scale * value),
    { shape, dtype: 'float64' },
  );
}

/**
 * Makes a module float64 and fills its state dict, entry k in the order of names from stream k: biases and running means with
 * `0.2 u`, running variances and weights of one dimension with `1 + 0.4 u`, other weights with `u sqrt(12 / fanIn)`, the rest with `u`.
 */
function fillScattered(module: Module): void {
  module.to({ dtype: 'float64' });
  noGrad(() =>
    tidy(() => {
      const state = module.stateDict();
      for (const [k, name] of sortedNames(module).entries()) {
        const entry = state[name]!;
        const { shape } = entry;
        const last = name.slice(name.lastIndexOf('.') + 1);
        if (last === 'num_batches_tracked') continue;
        const u = scatteredTensor(shape, k);
        if (last === 'running_mean' || last === 'bias') entry.copy_(u.mul(0.2));
        else if (last === 'running_var' || (last === 'weight' && shape.length === 1)) entry.copy_(u.mul(0.4).add(1));
        else if (last === 'weight') entry.copy_(u.mul(Math.sqrt((12 * shape[0]!) / entry.numel)));
        else entry.copy_(u);
      }
    }),
  );
}

/** The names of the state dict in the order of their code units. */
function sortedNames(module: Module): string[] {
  return tidy(() => Object.keys(module.stateDict())).sort((a, b) => (a < b ? -1 : 1));
}

/** The lines `name:size,size` of the state dict, sorted by name. */
function stateLines(module: Module): string[] {
  return tidy(() => {
    const state = module.stateDict();
    return sortedNames(module).map((name) => `${name}:${state[name]!.shape.join(',')}`);
  });
}

const labelled = <T extends { type: string; options: object }>(cases: readonly T[]) =>
  cases.map((one) => [one.type, JSON.stringify(one.options), one] as const);

function expectPrinted(actual: Tensor, { shape, sum, absSum, first }: Printed, rtol = 1e-9): void {
  expect(actual.shape).toEqual(shape);
  const numbers = actual.reshape([-1]);
  const got = [
    numbers.sum(),
    numbers.abs().sum(),
    ...Array.from({ length: first.length }, (_, i) => numbers.select(0, i)),
  ];
  const scale = rtol * Math.max(1, absSum);
  expect(got.map((one) => one.item())).toBeAllClose([sum, absSum, ...first], { rtol, atol: scale });
}

describe('backbones', () => {
  it.each(labelled(reference.backbones))(
    '%s %s',
    (_type, _options, { type, options, input, entries, names, outputs }) => {
      const net = buildBackbone({ type, ...options }).eval();
      const lines = stateLines(net);
      expect(lines).toHaveLength(entries);
      expect(createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16)).toBe(names);
      fillScattered(net);
      // The original interpolates position embeddings in float32.
      const rtol = type.endsWith('Transformer') ? 1e-6 : 1e-9;
      noGrad(() =>
        tidy(() => {
          const got = net
            .forward(scatteredTensor(input, 999, 2))
            .flatMap((one) => (one instanceof Tensor ? [one] : [...one]));
          expect(got).toHaveLength(outputs.length);
          got.forEach((output, i) => expectPrinted(output, outputs[i]!, rtol));
        }),
      );
    },
  );
});

describe('heads', () => {
  it.each(labelled(reference.heads))('%s %s', (_type, _options, { type, options, features, names, output }) => {
    const average = type === 'DeiTClsHead' ? { average: true } : {};
    const head = buildHead({ type, ...options, ...average }).eval();
    expect(stateLines(head)).toEqual(names);
    fillScattered(head);
    noGrad(() =>
      tidy(() => {
        const given = features.map((shape, i) => scatteredTensor(shape, 500 + i, 2));
        expectPrinted(head.forward(given.length === 1 ? given : [given]), output);
      }),
    );
  });
});

describe('losses of heads', () => {
  const classes = BigInt64Array.from([0n, 3n, 4n, 1n]);
  const targets = {
    index: () => tensor(classes),
    soft: () => {
      const shares = scatteredTensor([4, 5], 701).add(0.5);
      return shares.div(shares.sum(1, true));
    },
    multi: () => scatteredTensor([4, 5], 702).gt(0.1).to('float64'),
  };

  it.each(labelled(reference.losses))(
    '%s %s',
    (_type, _options, { type, options, target, avgFactor, value, grad: first }) => {
      tidy(() => {
        const loss = buildHeadLoss({ type, ...options } as HeadLossOption);
        const scores = scatteredTensor([4, 5], 700, 4).requiresGrad_();
        const output = loss.forward(scores, targets[target](), avgFactor === null ? {} : { avgFactor });
        expect(output).toBeAllClose(value, { rtol: 1e-9 });
        const [gradient] = grad([output.sum()], [scores]);
        expect(gradient!.data().slice(0, 6)).toBeAllClose(first, { rtol: 1e-9, atol: 1e-12 });
      });
    },
  );
});
