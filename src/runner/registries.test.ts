// What the check of types finds: in optimizers and schedulers, alone and by part, with what stands beside their options, and in what
// stands deep inside networks and connectors. Users' entries among them.
import { expect, it } from 'vitest';
import { z } from 'zod';

import { tinyExperiment, tinyNetwork } from '../../test/networks.ts';
import { experimentSchema, withEntries } from '../config/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { buildConnector } from '../distill/connectors/index.ts';
import type { ConvModuleConnector } from '../distill/connectors/index.ts';
import { GroupNorm, init, Tanh } from '../nn/index.ts';
import type { Module } from '../nn/index.ts';
import { entry, findMistakes } from '../registry/index.ts';
import { tidy } from '../torch/index.ts';
import { optionsOf, tables } from './registries.ts';
import { freeExperiment } from './experiment.ts';
import { prepareStage, withUserEntries } from './stages.ts';

const said = (config: unknown, own = {}): string[] =>
  findMistakes(experimentSchema, config, { tables: withEntries(tables, own), optionsOf })
    .map(({ text }) => text)
    .filter((text) => /^(?:optimizer|schedulers)/.test(text));

it('finds every mistake in optimizers and schedulers at once', () => {
  const mistakes = said({
    optimizer: { type: 'SDG', lrr: 1 },
    schedulers: [
      { type: 'CosinAnnealingLR' },
      { type: 'LinearLR', by: 'step', totalIter: 3, begin: 1 },
      { type: 'StepLR', stepSize: 1.5 },
    ],
  });
  expect(mistakes).toEqual([
    expect.stringMatching(/optimizer: .*"SDG".*did you mean "SGD"/),
    'optimizer SGD: lr: expected a number, got nothing',
    'optimizer SGD: unknown option "lrr"; did you mean "lr"?',
    expect.stringMatching(/schedulers\.0: .*did you mean "CosineAnnealingLR"/),
    expect.stringMatching(/schedulers\.1 LinearLR: .*"totalIter".*did you mean "totalIters"/),
    expect.stringMatching(/schedulers\.2 StepLR: stepSize: .*got 1.5/),
  ]);
});

it('by part, too', () => {
  const mistakes = said({
    optimizer: { architecture: { type: 'Adm', lr: 1 }, generator: { type: 'Adam', lr: -1, paramwise: {} } },
    schedulers: { generator: [{ type: 'StpLR' }] },
  });
  expect(mistakes).toEqual([
    expect.stringMatching(/optimizer\.architecture: .*did you mean "Adam"/),
    expect.stringMatching(/optimizer\.generator Adam: lr: .*got -1/),
    expect.stringMatching(/schedulers\.generator\.0: .*did you mean "StepLR"/),
    'schedulers.generator.0 StepLR: stepSize: expected a number, got nothing',
  ]);
});

it('says nothing of what is fine, and knows entries of users', () => {
  const schedulers = [
    { type: 'CosineAnnealingLR', by: 'step', begin: 5, end: 9 },
    { type: 'LinearLR', everyStep: true, totalIters: 0.5 },
    { type: 'MultiStepLR', milestones: [3] },
  ];
  expect(
    said({ optimizer: { type: 'AdamW', paramwise: { customKeys: { head: { lrMult: 2 } } } }, schedulers }),
  ).toEqual([]);
  const lion = entry(z.strictObject({ lr: z.number() }), () => () => undefined, { summary: 'Lion.' });
  const own = { optimizer: { Lion: lion } };
  expect(said({ optimizer: { type: 'Lion', lr: 1, paramwise: {} } }, own)).toEqual([]);
  expect(said({ optimizer: { type: 'Lion', rate: 1 } }, own).join()).toMatch(/"rate"/);
});

it('finds mistakes in norms, activations, initializers and layers with all others', () => {
  const backbone = {
    type: 'ResNet',
    depth: 18,
    normCfg: { type: 'GN', numGroup: 2 },
    initCfg: [
      { type: 'Kaimign', layer: 'Conv2d' },
      { type: 'Constant', layer: 'BatchNorm', val: 1, override: { name: 'fc', type: 'Normal', sdt: 1 } },
    ],
  };
  const connectors = {
    a: { type: 'ConvModuleConnector', inChannels: 1, outChannels: 2, actCfg: { type: 'LeakyReLU', slope: 0.2 } },
    b: { type: 'TorchNNConnector', moduleName: 'Linear', moduleArgs: { inFeatures: 2.5 } },
    c: { type: 'LayerConnector', layer: { type: 'Conv2d', inChannels: 3, outChannels: 4, kernelSize: 3, groups: 2 } },
    d: { type: 'NormConnector', inChannels: 3, normCfg: { type: 'MyNorm', power: 'x' } },
  };
  const head = { type: 'LinearClsHead', numClasses: 10, inChannels: 4 };
  const config = {
    model: {
      type: 'SelfDistill',
      architecture: { type: 'ImageClassifier', backbone, head },
      distiller: { type: 'ConfigurableDistiller', connectors },
    },
  };
  const myNorm = entry(z.strictObject({ power: z.number() }), () => () => undefined, { summary: 'Mine.' });
  const found = findMistakes(experimentSchema, config, {
    tables: withEntries(tables, { norm: { MyNorm: myNorm } }),
    optionsOf,
  }).filter(({ path }) => path[0] === 'model');
  expect(found.map(({ text }) => text.replace(/^model\.(?:architecture|distiller)\./, ''))).toEqual([
    'backbone.normCfg GN: numGroups: expected a number, got nothing',
    'backbone.normCfg GN: unknown option "numGroup"; did you mean "numGroups"?',
    expect.stringMatching(/^backbone\.initCfg\.0: unknown initializer "Kaimign"; did you mean "Kaiming"/),
    'backbone.initCfg.1.override Normal: unknown option "sdt"; did you mean "std"?',
    expect.stringMatching(/^connectors\.a\.actCfg LeakyReLU: unknown option "slope"/),
    expect.stringMatching(/^connectors\.b TorchNNConnector: moduleArgs: inFeatures: expected an integer, got 2\.5/),
    'connectors.b TorchNNConnector: moduleArgs: outFeatures: expected a number, got nothing',
    'connectors.c.layer Conv2d: inChannels: expected a multiple of the 2 groups, got 3',
    'connectors.d.normCfg MyNorm: power: expected a number, got "x"',
  ]);
});

it('builds norms, activations and initializers of users where configs name them', () => {
  const channels: number[] = [];
  const norm = entry(
    z.strictObject({ eps: z.number() }),
    ({ eps }) => {
      return (size: number) => {
        channels.push(size);
        return { name: 'mine', layer: new GroupNorm(1, size, { eps }) };
      };
    },
    { summary: 'Mine.' },
  );
  const act = entry(z.strictObject({}), () => () => new Tanh(), { summary: 'Mine.' });
  const ones = entry(z.strictObject({}), () => (module: Module) => module.apply((one) => fillOnes(one)), {
    summary: 'Mine.',
  });
  const own = { norm: { MyNorm: norm }, activation: { MyAct: act }, initializer: { Ones: ones } };
  const connector = {
    ...{ type: 'ConvModuleConnector', inChannels: 2, outChannels: 4 },
    ...{ normCfg: { type: 'MyNorm', eps: 0.5 }, actCfg: { type: 'MyAct' }, initCfg: { type: 'Ones' } },
  };
  const model = { type: 'SelfDistill', distiller: { type: 'ConfigurableDistiller', connectors: { a: connector } } };
  const built = withUserEntries({ model } as never, own) as unknown as { model: typeof model };
  tidy(() => {
    const made = buildConnector(built.model.distiller.connectors.a) as ConvModuleConnector;
    expect(channels).toEqual([4]);
    expect((made.conv_module.norm as GroupNorm).eps).toBe(0.5);
    expect(made.conv_module.activate).toBeInstanceOf(Tanh);
    expect(made.conv_module.conv.weight.sum().item()).toBe(8);
  });
});

it("gives a user's algorithm the network of an earlier stage, and takes a hook of a user that is a plain object", () => {
  const seen: unknown[] = [];
  const hook = { name: 'Mine', beforeRun: () => undefined };
  const own = {
    algorithm: {
      Mine: entry(
        z.strictObject({ architecture: z.unknown(), teacher: z.unknown() }),
        ({ teacher, architecture }) => {
          seen.push(teacher);
          return buildAlgorithm({ type: 'Supervised', architecture });
        },
        { summary: 'Mine.' },
      ),
    },
    hook: { Mine: entry(z.strictObject({}), () => hook, { summary: 'Mine.' }) },
  };
  const earlier = buildAlgorithm(tinyExperiment().model);
  const experiment = prepareStage(
    {
      name: 'second',
      init: [],
      config: {
        ...tinyExperiment({ hooks: [{ type: 'Mine' }], seed: 0, memoryFormat: 'contiguous' }),
        model: { type: 'Mine', architecture: tinyNetwork(4), teacher: { type: 'FromStage', stage: 'first' } },
      },
    } as never,
    new Map([['first', earlier]]),
    { own },
  );
  expect(seen).toEqual([earlier.student]);
  expect(experiment.trainer.finished).toBe(false);
  freeExperiment(experiment, {});
  freeExperiment({ algorithm: earlier, resources: [] }, {});
});

function fillOnes(module: Module): void {
  for (const parameter of module.parameters()) init.ones_(parameter);
}
