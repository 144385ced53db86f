// What does not compile: `npm test` runs tsc over this file, which fails where an error that is expected here is none.
import { expect, it } from 'vitest';

import { Module } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';
import { defineBase, defineConfig, defineStage, defineStages } from './index.ts';
import type { ExperimentConfig } from './index.ts';

const network = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 18 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 512 },
} as const;
const data = { dataset: { type: 'SyntheticImages' }, batchSize: 4 } as const;
const rest = {
  trainData: data,
  valData: data,
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, paramwise: { normDecayMult: 0 } },
  schedulers: [{ type: 'CosineAnnealingLR', by: 'step' }],
  epochs: 1,
} as const;
const networks = { architecture: network, teacher: network };
const fc = { type: 'ModuleOutputs', source: 'head.fc' } as const;

it('takes a distillation as it should be', () => {
  const config = defineConfig({
    ...rest,
    hooks: [{ type: 'StopDistillHook', stopEpoch: 3 }],
    model: {
      type: 'SingleTeacherDistill',
      ...networks,
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: { fc, conv: { type: 'ModuleOutputs', source: 'backbone.conv1' } },
        teacherRecorders: { fc },
        connectors: { wide: { type: 'ConvModuleConnector', inChannels: 4, outChannels: 8 } },
        distillLosses: {
          loss_kl: { type: 'KLDivergence', tau: 4, lossWeight: 3 },
          loss_at: { type: 'ATLoss' },
        },
        lossForwardMappings: {
          loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
          loss_at: {
            sFeature: { recorder: 'conv', fromStudent: true, connector: 'wide' },
            tFeature: { recorder: 'fc', fromStudent: false },
          },
        },
        lossWeightSchedules: { loss_kl: { type: 'cosine', from: 1, to: 0, end: 10 } },
      },
    },
  });
  expect(config.epochs).toBe(1);
});

const recorders = { studentRecorders: { s: fc }, teacherRecorders: { t: fc } };
const kl = { loss_kl: { type: 'KLDivergence' } } as const;

it('refuses names that do not exist', () => {
  const preds = {
    predsS: { recorder: 's', fromStudent: true },
    predsT: { recorder: 't', fromStudent: false },
  } as const;
  const distiller = { type: 'ConfigurableDistiller', ...recorders, distillLosses: kl } as const;
  const model = { type: 'SingleTeacherDistill', ...networks } as const;
  defineConfig({ ...rest, model: { ...model, distiller: { ...distiller, lossForwardMappings: { loss_kl: preds } } } });
  defineConfig({
    ...rest,
    model: {
      ...model,
      distiller: {
        ...distiller,
        // @ts-expect-error -- the teacher has no recorder "s"
        lossForwardMappings: { loss_kl: { ...preds, predsT: { recorder: 's', fromStudent: false } } },
      },
    },
  });
  defineConfig({
    ...rest,
    model: {
      ...model,
      distiller: {
        ...distiller,
        // @ts-expect-error -- there is no connector "wide"
        lossForwardMappings: { loss_kl: { ...preds, predsS: { recorder: 's', fromStudent: true, connector: 'wide' } } },
      },
    },
  });
  defineConfig({
    ...rest,
    model: {
      ...model,
      distiller: {
        ...distiller,
        // @ts-expect-error -- KLDivergence takes predsT
        lossForwardMappings: { loss_kl: { predsS: { recorder: 's', fromStudent: true } } },
      },
    },
  });
  defineConfig({
    ...rest,
    model: {
      ...model,
      distiller: {
        ...distiller,
        lossForwardMappings: {
          loss_kl: {
            predsS: { recorder: 's', fromStudent: true },
            predsT: { recorder: 't', fromStudent: false },
            // @ts-expect-error -- KLDivergence takes no "preds"
            preds: { recorder: 's', fromStudent: true },
          },
        },
      },
    },
  });
  defineConfig({
    ...rest,
    model: {
      ...model,
      // @ts-expect-error -- there is no loss "loss_kd"
      distiller: { ...distiller, lossForwardMappings: { loss_kl: preds, loss_kd: preds } },
    },
  });
  expect(preds.predsS.recorder).toBe('s');
});

it('refuses options that a type does not have, and types that are none', () => {
  const alone = { type: 'Supervised', architecture: network } as const;
  const distiller = { type: 'ConfigurableDistiller', ...recorders } as const;
  defineConfig({
    ...rest,
    model: {
      type: 'SingleTeacherDistill',
      ...networks,
      // @ts-expect-error -- "tua" is no option of KLDivergence
      distiller: { ...distiller, distillLosses: { loss: { type: 'KLDivergence', tua: 3 } } },
    },
  });
  // @ts-expect-error -- unknown algorithm "SingleTeacher"
  defineConfig({ ...rest, model: { type: 'SingleTeacher', architecture: network } });
  // @ts-expect-error -- SGD has no betas
  defineConfig({ ...rest, model: alone, optimizer: { type: 'SGD', lr: 0.1, betas: [0.9, 0.99] } });
  // @ts-expect-error -- MultiStepLR needs milestones
  defineConfig({ ...rest, model: alone, schedulers: [{ type: 'MultiStepLR' }] });
  // @ts-expect-error -- there is no hook of this name
  defineConfig({ ...rest, model: alone, hooks: [{ type: 'StopHook', stopEpoch: 3 }] });
  expect(rest.epochs).toBe(1);
});

it('refuses misspelt options of stages and bases too', () => {
  const model = { type: 'Supervised', architecture: network } as const;
  defineStages({ ...rest, model, stages: [defineStage({ name: 'first', epochs: 2 }), { name: 'second' }] });
  // @ts-expect-error -- "epcohs" is not an option
  defineStages({ trainData: data, epcohs: 3, stages: [defineStage({ name: 'first' })] });
  // @ts-expect-error -- "epcohs" is not an option of a stage
  defineStages({ ...rest, stages: [{ name: 'first', epcohs: 3 }] });
  // @ts-expect-error -- nor where it is defined by itself
  defineStage({ name: 'first', epcohs: 3 });
  // @ts-expect-error -- there is no such algorithm
  defineStages({ ...rest, stages: [{ name: 'first', model: { type: 'Supervise', architecture: network } }] });
  // @ts-expect-error -- "epcohs" is not an option of a base
  defineBase({ epcohs: 3 });
  expect(rest.epochs).toBe(1);
});

it('takes constant lists', () => {
  const normalize = { type: 'Normalize', mean: [0.5], std: [0.5] } as const;
  const part = { ...data, transforms: [normalize] } as const;
  const config = defineConfig({ ...rest, trainData: part, model: { type: 'Supervised', architecture: network } });
  expect(config.trainData.transforms).toHaveLength(1);
});

class Narrow extends Module {
  readonly width: number;

  constructor({ width }: { width: number; depth?: number }) {
    super();
    this.width = width;
  }

  override forward(x: Tensor): Tensor {
    return x;
  }
}

class Fixed extends Module {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

class Usual extends Module {
  readonly rate: number;

  constructor({ rate = 0.1 }: { readonly rate?: number } = {}) {
    super();
    this.rate = rate;
  }

  override forward(x: Tensor): Tensor {
    return x;
  }
}

it('takes networks of your own: options are what the constructor of a class takes', () => {
  const distiller = { type: 'ConfigurableDistiller', ...recorders } as const;
  const pair = { type: 'SingleTeacherDistill', distiller } as const;
  const config = defineConfig({
    ...rest,
    model: { ...pair, architecture: { type: Narrow, width: 3 }, teacher: { type: Usual, rate: 0.5 } },
  });
  const given: ExperimentConfig = config;
  expect(given.model.type).toBe('SingleTeacherDistill');
  defineConfig({ ...rest, model: { ...pair, architecture: { type: Fixed }, teacher: { type: Usual } } });
  defineConfig({
    ...rest,
    model: { ...pair, architecture: './net.ts#Net', teacher: { type: './net.ts#Net', width: 3 } },
  });
  defineConfig({ ...rest, model: { ...pair, architecture: { type: Narrow, width: 3, depth: 2 }, teacher: network } });
  // @ts-expect-error -- there is no option "widht"
  defineConfig({ ...rest, model: { ...pair, architecture: { type: Narrow, width: 3, widht: 3 }, teacher: network } });
  // @ts-expect-error -- "width" is missing
  defineConfig({ ...rest, model: { ...pair, architecture: { type: Narrow }, teacher: network } });
  // @ts-expect-error -- a width is a number
  defineConfig({ ...rest, model: { ...pair, architecture: network, teacher: { type: Narrow, width: '3' } } });
  // @ts-expect-error -- it has no options
  defineConfig({ ...rest, model: { ...pair, architecture: { type: Fixed, width: 3 }, teacher: network } });
  // @ts-expect-error -- a text is an address, or the name of an entry
  defineConfig({ ...rest, model: { ...pair, architecture: './net.ts', teacher: network } });
  // @ts-expect-error -- a date is no network
  defineConfig({ ...rest, model: { ...pair, architecture: { type: Date }, teacher: network } });
});

it('several of them by name, and in stages', () => {
  const distiller = { type: 'ConfigurableDistiller', ...recorders } as const;
  const many = { type: 'MultiTeacherDistill', architecture: network, distiller } as const;
  const teachers = { a: { type: Narrow, width: 2 }, b: { buildCfg: { type: Usual, rate: 1 } }, c: network } as const;
  expect(defineConfig({ ...rest, model: { ...many, teachers } }).epochs).toBe(1);
  defineConfig({
    ...rest,
    model: { ...many, teachers: { a: { type: Usual }, b: { type: Narrow, width: 2 }, c: network } },
  });
  // @ts-expect-error -- there is no option "widht"
  defineConfig({ ...rest, model: { ...many, teachers: { a: { type: Usual }, b: { type: Narrow, widht: 2 } } } });
  defineStage({ name: 'one', model: { type: 'Supervised', architecture: { type: Narrow, width: 2 } } });
  // @ts-expect-error -- "width" is missing
  defineStage({ name: 'one', model: { type: 'Supervised', architecture: { type: Narrow } } });
});
