// The algorithms that configs can name. This is an edge: here models, distillers and algorithms are put together.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { buildGenerator } from '../../models/generators/index.ts';
import { buildModel, loadNetwork } from '../../models/index.ts';
import { Module } from '../../nn/index.ts';
import type { Network } from '../../nn/index.ts';
import { Deferred, entry, pathTo, Registry, typedOf } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { buildDistiller, ConfigurableDistiller } from '../distillers/index.ts';
import type { Compat } from '../losses/index.ts';
import { Algorithm, commonOptions } from './algorithm.ts';
import { DAFLDataFreeDistillation } from './dafl-data-free-distillation.ts';
import type { ImageGenerator } from './data-free.ts';
import { DataFreeDistillation, dataFreeDistillationOptions } from './data-free-distillation.ts';
import { EmaTeacherDistill, emaTeacherOptions } from './ema-teacher-distill.ts';
import { FastDataFreeDistillation, fastDataFreeOptions } from './fast-data-free-distillation.ts';
import { FpnTeacherDistill } from './fpn-teacher-distill.ts';
import { MultiTeacherDistill, multiTeacherOptions } from './multi-teacher-distill.ts';
import { MutualDistill } from './mutual-distill.ts';
import { OverhaulFeatureDistillation } from './overhaul-feature-distillation.ts';
import { SelfDistill, selfDistillOptions } from './self-distill.ts';
import { SingleTeacherDistill, singleTeacherOptions } from './single-teacher-distill.ts';
import { Supervised } from './supervised.ts';

type NetworkConfig = TypedConfig | Network | Deferred<Network>;
type DistillerConfig = TypedConfig | ConfigurableDistiller;

const network = typedOf<NetworkConfig>('model', { expected: 'expected a model, or { type, ...options } of one' });
const distiller = typedOf<DistillerConfig>('distiller', {
  expected: 'expected a distiller, or { type, ...options }',
}).describe('Recorders, connectors, losses and mappings.');
const generator = typedOf<TypedConfig | ImageGenerator>('generator', {
  expected: 'expected a generator, or { type, ...options }',
}).describe('What makes the images.');
const checkpoint = pathTo('checkpoint')
  .nullable()
  .exactOptional()
  .describe('A file with its weights, under the names of any library.');

/** A teacher: a network, or a network with the checkpoint to load into it. */
const teacherEntry = z.union([z.strictObject({ buildCfg: network, ckptPath: checkpoint }), network]);

const common = { architecture: network, ...commonOptions };
const singleTeacher = z.strictObject({
  ...common,
  teacher: network,
  teacherCkpt: checkpoint,
  distiller,
  ...singleTeacherOptions,
});
const teachers = z.record(z.string(), teacherEntry);

/** A network from its config; a module is taken as it is. */
function build(config: NetworkConfig, where: string, ckpt?: string | null): Network {
  const model =
    config instanceof Deferred ? config.build() : config instanceof Module ? config : buildModel(config, where);
  if (typeof ckpt === 'string') loadNetwork(ckpt, model, { role: 'teacher' });
  return model;
}

/** A distiller whose `compat` is the algorithm's unless it has its own. */
function distillerOf(config: DistillerConfig, compat: Compat | undefined, where = 'distiller'): ConfigurableDistiller {
  if (config instanceof ConfigurableDistiller || compat === undefined) return buildDistiller(config, where);
  return buildDistiller({ compat, ...config }, where);
}

function single({ architecture, teacher, teacherCkpt, distiller: config, ...rest }: z.output<typeof singleTeacher>) {
  return {
    ...rest,
    architecture: build(architecture, 'architecture'),
    teacher: build(teacher, 'teacher', teacherCkpt),
    distiller: distillerOf(config, rest.compat),
  };
}

function teachersOf(configs: z.output<typeof teachers>): Record<string, Network> {
  return Object.fromEntries(
    Object.entries(configs).map(([name, config]) => {
      const where = `teacher "${name}"`;
      if (config instanceof Module || config instanceof Deferred || !('buildCfg' in config))
        return [name, build(config, where)];
      const { buildCfg, ckptPath } = config as { buildCfg: NetworkConfig; ckptPath?: string | null };
      return [name, build(buildCfg, where, ckptPath)];
    }),
  );
}

const dataFree = z.strictObject({
  ...common,
  distiller,
  generatorDistiller: distiller,
  teachers,
  generator,
  ...dataFreeDistillationOptions,
});

function dataFreeParts({ architecture, distiller: own, generatorDistiller, ...options }: z.output<typeof dataFree>) {
  return {
    ...options,
    architecture: build(architecture, 'architecture'),
    teachers: teachersOf(options.teachers),
    generator: buildGenerator(options.generator),
    distiller: distillerOf(own, options.compat),
    generatorDistiller: distillerOf(generatorDistiller, options.compat, 'generatorDistiller'),
  };
}

const fastDataFree = z.strictObject({ ...common, distiller, teachers, generator, ...fastDataFreeOptions });

const table = {
  Supervised: entry(
    z.strictObject(common),
    ({ architecture, ...rest }) => new Supervised({ ...rest, architecture: build(architecture, 'architecture') }),
    { summary: 'Plain training on labels, without a teacher.' },
  ),
  SingleTeacherDistill: entry(singleTeacher, (options) => new SingleTeacherDistill(single(options)), {
    summary: 'One frozen (or trainable) teacher, one student.',
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
  }),
  FpnTeacherDistill: entry(singleTeacher, (options) => new FpnTeacherDistill(single(options)), {
    summary: 'The same with a teacher that runs backbone and neck only.',
    paper: 'Shu et al. 2021 (channel-wise distillation of detectors), arXiv 2011.13256',
  }),
  OverhaulFeatureDistillation: entry(singleTeacher, (options) => new OverhaulFeatureDistillation(single(options)), {
    summary: 'One teacher, features before the ReLU cut at margins from its batch norms.',
    paper: 'Heo et al. 2019, arXiv 1904.01866',
  }),
  SelfDistill: entry(
    z.strictObject({ ...common, distiller, ...selfDistillOptions }),
    ({ architecture, distiller: config, ...rest }) =>
      new SelfDistill({
        ...rest,
        architecture: build(architecture, 'architecture'),
        distiller: distillerOf(config, rest.compat),
      }),
    { summary: 'A network that teaches itself.', paper: 'Zhang et al. 2019, arXiv 1905.08094' },
  ),
  EmaTeacherDistill: entry(
    z.strictObject({ ...common, distiller, ...emaTeacherOptions }),
    ({ architecture, distiller: config, ...rest }) => {
      if (architecture instanceof Module) {
        throw new RetortError(
          'EmaTeacherDistill: architecture: expected a config, from which the teacher is built too, got a network',
          {
            help: 'or build both and call new EmaTeacherDistill({ architecture, teacher, ... })',
          },
        );
      }
      return new EmaTeacherDistill({
        ...rest,
        architecture: build(architecture, 'architecture'),
        teacher: build(architecture, 'architecture'),
        distiller: distillerOf(config, rest.compat),
      });
    },
    { summary: 'The teacher is a running average of the student.', paper: 'Tarvainen, Valpola 2017, arXiv 1703.01780' },
  ),
  MultiTeacherDistill: entry(
    z.strictObject({ ...common, teachers, distiller, ...multiTeacherOptions }),
    ({ architecture, distiller: config, ...rest }) =>
      new MultiTeacherDistill({
        ...rest,
        architecture: build(architecture, 'architecture'),
        teachers: teachersOf(rest.teachers),
        distiller: distillerOf(config, rest.compat),
      }),
    { summary: 'Several frozen teachers at once.', paper: 'You et al. 2017, KDD' },
  ),
  MutualDistill: entry(
    z.strictObject({
      students: z.record(z.string(), network),
      ...commonOptions,
      distiller: typedOf<TypedConfig>('distiller', {
        expected: 'expected { type, ...options } of a distiller: one is made for each pair',
      }),
    }),
    ({ students, distiller: config, ...rest }) =>
      new MutualDistill({
        ...rest,
        students: Object.fromEntries(
          Object.entries(students).map(([name, model]) => [name, build(model, `student "${name}"`)]),
        ),
        makeDistiller: () => distillerOf({ detachTeacher: true, ...config }, rest.compat),
      }),
    { summary: 'Several students that teach one another.', paper: 'Zhang et al. 2018, arXiv 1706.00384' },
  ),
  DataFreeDistillation: entry(dataFree, (options) => new DataFreeDistillation(dataFreeParts(options)), {
    summary: 'A generator makes the images, against the student.',
    paper: 'Fang et al. 2019, arXiv 1912.11006',
  }),
  DAFLDataFreeDistillation: entry(dataFree, (options) => new DAFLDataFreeDistillation(dataFreeParts(options)), {
    summary: 'A generator makes the images that the teacher finds real.',
    paper: 'Chen et al. 2019, arXiv 1904.01186',
  }),
  FastDataFreeDistillation: entry(
    fastDataFree,
    ({ distiller: config, ...options }) =>
      new FastDataFreeDistillation({
        ...options,
        architecture: build(options.architecture, 'architecture'),
        teachers: teachersOf(options.teachers),
        generator: buildGenerator(options.generator),
        distiller: distillerOf(config, options.compat),
      }),
    {
      summary: 'A generator that learns to begin well makes images in a few steps, which are kept.',
      paper: 'Fang et al. 2022 (FastDFKD), arXiv 2112.06253',
    },
  ),
};

/** The algorithms that configs can name, each with the schema of its options. */
export const algorithms = new Registry<Algorithm, typeof table>('algorithm', table);

/**
 * An algorithm from `{ type: 'SingleTeacherDistill', architecture, teacher, distiller, ... }`, where networks and distiller are
 * configs or built ones; an algorithm is taken as it is.
 */
export function buildAlgorithm(config: TypedConfig | Algorithm, where?: string): Algorithm {
  return config instanceof Algorithm ? config : algorithms.build(config, where);
}
