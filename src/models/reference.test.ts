// Networks, heads and losses against the numbers of MMClassification and MMRazor: names and shapes of the state dict, outputs on
// weights by formula, in float64. See fixtures/README.md.
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { expectPrinted, fillScattered, namesOf, scatteredTensor, stateLines } from '../../test/scattered.ts';
import type { Printed } from '../../test/scattered.ts';
import type { Module } from '../nn/index.ts';
import { grad, noGrad, Tensor, tensor, tidy } from '../torch/index.ts';
import { buildBackbone, buildHead, buildHeadLoss } from './index.ts';
import type { HeadLossOption } from './index.ts';
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

/** Makes a module float64, and fills its state dict. */
function fill(module: Module): void {
  module.to({ dtype: 'float64' });
  tidy(() => fillScattered(module.stateDict()));
}

const labelled = <T extends { type: string; options: object }>(cases: readonly T[]) =>
  cases.map((one) => [one.type, JSON.stringify(one.options), one] as const);

describe('backbones', () => {
  it.each(labelled(reference.backbones))(
    '%s %s',
    (_type, _options, { type, options, input, entries, names, outputs }) => {
      const net = buildBackbone({ type, ...options }).eval();
      tidy(() => expect(namesOf(net.stateDict())).toEqual({ entries, names }));
      fill(net);
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
    tidy(() => expect(stateLines(head.stateDict())).toEqual(names));
    fill(head);
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
