// The algorithms that configs can name. This is an edge: here models, distillers and algorithms are put together.
import { z } from 'zod';

import { buildModel } from '../../models/index.ts';
import { loadModule, Module } from '../../nn/index.ts';
import type { LossModel } from '../../nn/index.ts';
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { buildDistiller } from '../distillers/index.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import { Algorithm } from './algorithm.ts';
import { SingleTeacherDistill } from './single-teacher-distill.ts';
import { Supervised } from './supervised.ts';

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
const network = z.custom<TypedConfig | LossModel>(isObject, 'expected a model, or { type, ...options } of one');
const flag = z.boolean().exactOptional();

/** A network from its config; a module is taken as it is. */
function build(config: TypedConfig | LossModel, where: string): LossModel {
  return config instanceof Module ? config : buildModel(config, where);
}

export const algorithms = new Registry<Algorithm>('algorithm', {
  Supervised: entry(
    z.strictObject({ architecture: network }),
    ({ architecture }) => new Supervised(build(architecture, 'architecture')),
    { summary: 'Plain training on labels, without a teacher.' },
  ),
  SingleTeacherDistill: entry(
    z.strictObject({
      architecture: network,
      teacher: network,
      teacherCkpt: z.string().nullable().exactOptional(),
      distiller: z.custom<TypedConfig | ConfigurableDistiller>(
        isObject,
        'expected a distiller, or { type, ...options }',
      ),
      teacherTrainable: flag,
      teacherNormEval: flag,
      studentTrainable: flag,
      calculateStudentLoss: flag,
      teacherModuleInplace: flag,
    }),
    ({ architecture, teacher, teacherCkpt, distiller, ...flags }) => {
      const student = build(architecture, 'architecture');
      const built = build(teacher, 'teacher');
      if (typeof teacherCkpt === 'string') loadModule(teacherCkpt, built);
      return new SingleTeacherDistill({
        ...flags,
        architecture: student,
        teacher: built,
        distiller: buildDistiller(distiller, 'distiller'),
      });
    },
    {
      summary: 'One frozen (or trainable) teacher, one student.',
      paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
    },
  ),
});

/**
 * An algorithm from `{ type: 'SingleTeacherDistill', architecture, teacher, distiller, ... }`, where networks and distiller are
 * configs or built ones; an algorithm is taken as it is.
 */
export function buildAlgorithm(config: TypedConfig | Algorithm, where?: string): Algorithm {
  return config instanceof Algorithm ? config : algorithms.build(config, where);
}
