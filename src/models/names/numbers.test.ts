// Networks against torchvision's, timm's and transformers': their names and shapes, then outputs and gradients on their weights by
// formula, which come in through the tables of names. See ../fixtures/README.md.
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { expectPrinted, fillScattered, namesOf, scatteredTensor } from '../../../test/scattered.ts';
import type { Printed } from '../../../test/scattered.ts';
import { grad, noGrad, ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildModel, recognizeNetwork } from '../index.ts';
import { toOurNames, toTheirNames } from './index.ts';
import type { Convention } from './index.ts';
import { compileTable } from './table.ts';
import { nameTables } from './tables.ts';

interface Reference {
  convention: Convention;
  model: { type: string; backbone: { type: string } };
  input: number[];
  /** Of the state dict without what is computed, under their names. */
  entries: number;
  /** The beginning of the SHA-256 of its lines `name:size,size`, sorted by name. */
  names: string;
  output: Printed;
  /** Of `sum(output u)`, u being stream 998, by some of the parameters. */
  gradients: Record<string, { shape: number[]; sum: number; absSum: number }>;
}

const { networks } = JSON.parse(readFileSync(new URL('./fixtures/networks.json', import.meta.url), 'utf8')) as {
  networks: Reference[];
};

type State = Record<string, Tensor>;
const computed = /(num_batches_tracked|relative_position_index)$/;
const without = (state: State): State =>
  Object.fromEntries(Object.entries(state).filter(([name]) => !computed.test(name)));

const cases = networks.map((one) => [one.convention, one.model.backbone.type, one.input.join('x'), one] as const);

it.each(cases)('%s %s %s', (convention, _type, _input, { model, input, output, gradients, ...their }) => {
  const network = buildModel(model).to({ dtype: 'float64' }).eval();
  tidy(() => {
    const theirs = without(toTheirNames(network.stateDict(), convention).state);
    const fresh = Object.fromEntries(Object.entries(theirs).map(([name, value]) => [name, ops.zerosLike(value)]));
    expect(namesOf(fresh)).toEqual({ entries: their.entries, names: their.names });
    fillScattered(fresh);
    const read = toOurNames(fresh, network);
    // timm names a ResNet as torchvision does.
    const names = model.backbone.type === 'ResNet' && convention === 'timm' ? 'torchvision' : convention;
    expect([read.convention, read.unknown, read.others]).toEqual([names, [], []]);
    expect(network.loadStateDict(read.state).missing).toEqual([]);
    const plain = toOurNames(fresh);
    expect([plain.convention, plain.sources]).toEqual([names, read.sources]);

    const images = scatteredTensor(input, 999, 2);
    const scores = network.forward(images);
    expectPrinted(scores, output);
    const parameters = [...network.namedParameters()];
    const byOurs = grad(
      [scores.mul(scatteredTensor(scores.shape, 998)).sum()],
      parameters.map(([, parameter]) => parameter),
    );
    const got = toTheirNames(Object.fromEntries(parameters.map(([name], i) => [name, byOurs[i]!])), convention).state;
    for (const [name, { shape, sum, absSum }] of Object.entries(gradients)) {
      expect(got[name]!.shape).toEqual(shape);
      const sums = [got[name]!.sum().item(), got[name]!.abs().sum().item()];
      expect(sums).toBeAllClose([sum, absSum], { rtol: 1e-9, atol: 1e-9 * absSum });
    }
  });
  tidy(() => {
    network.to({ dtype: 'float32' });
    const scores = noGrad(() => network.forward(scatteredTensor(input, 999, 2).to('float32')));
    expectPrinted(scores.to('float64'), output, 1e-5);
  });
});

/** Every way of naming that is known, of the networks above. */
const ways = nameTables.flatMap((table) => {
  const family = { 'ResNet for CIFAR': 'ResNet', DeiT: 'DistilledVisionTransformer' }[table.family] ?? table.family;
  const one = networks.find(({ model }) => model.backbone.type === family);
  return one === undefined ? [] : [[table.convention, table.family, table.variant ?? '', table, one.model] as const];
});

it.each(ways)('%s %s %s: read with and without the network', (convention, family, _variant, table, model) => {
  tidy(() => {
    const network = buildModel(model);
    const own = network.stateDict();
    const { fromOurs } = compileTable(table);
    const theirs: State = {};
    for (const [name, value] of Object.entries(own)) {
      const source = fromOurs(name);
      if (source === null) continue;
      const { theirs: names, change } = source!;
      const whole = change === undefined ? value : change.toTheirs(value);
      const parts = names.length === 1 ? [whole] : whole.chunk(names.length, 0);
      names.forEach((one, i) => Object.assign(theirs, { [one]: parts[i]! }));
    }
    for (const read of [toOurNames(theirs, network), toOurNames(theirs)]) {
      if (family !== 'ResNet') expect(read.convention).toBe(convention);
      expect([read.unknown, read.others]).toEqual([[], []]);
      for (const [name, value] of Object.entries(read.state)) expect(value.equal(own[name]!)).toBe(true);
      const lost = Object.keys(own).filter((name) => !Object.hasOwn(read.state, name) && !computed.test(name));
      expect(lost).toEqual([]);
    }
  });
});

describe('recognizeNetwork', () => {
  it.each(cases)('%s %s %s: the same under their names as under ours', (convention, _type, _input, { model }) => {
    tidy(() => {
      const own = buildModel(model).stateDict();
      const found = recognizeNetwork(own);
      expect(found).toContain('for 5 classes');
      expect(recognizeNetwork(toTheirNames(own, convention).state)).toBe(found);
    });
  });
});
