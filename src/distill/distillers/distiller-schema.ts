// What a distiller may be told, in a config as in code. Its mappings are checked against it by `mapping-check.ts`.
import { z } from 'zod';

import { isObject } from '../../check.ts';
import type { Module } from '../../nn/index.ts';
import { typedOf } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { DistillDelivery } from '../deliveries/index.ts';
import type { DistillLoss } from '../losses/index.ts';
import type { Recorder } from '../recorders/index.ts';
import type { LossForwardMappings } from './mapping.ts';
import { weightSchedule } from './weight-schedule.ts';

/** Configs to be built, or built things, by name. */
const named = <T>(kind: string) =>
  z.record(z.string(), typedOf<TypedConfig | T>(kind, { expected: 'expected { type, ...options }' })).exactOptional();
const connector = typedOf<TypedConfig | Module>('connector', {
  expected: 'expected { type, ...options }, or a list of them',
});

/** What a mapping holds is checked by the distiller itself, which knows recorders, losses and connectors. */
const mappings = z
  .record(
    z.string(),
    z.record(z.string(), z.custom<LossForwardMappings[string][string]>(isObject, 'expected { recorder, fromStudent }')),
  )
  .exactOptional();

/** The options of a distiller: configs, or built things. */
export const distillerSchema = z.strictObject({
  studentRecorders: named<Recorder>('recorder').describe('What is recorded in the student, by name.'),
  teacherRecorders: named<Recorder>('recorder').describe('What is recorded in the teacher, by name.'),
  distillDeliveries: named<DistillDelivery>('delivery'),
  connectors: z.record(z.string(), z.union([connector, z.array(connector).readonly()])).exactOptional(),
  distillLosses: named<DistillLoss>('loss').describe(
    'Losses by name; those whose name has "loss" in it are trained on.',
  ),
  lossForwardMappings: mappings.describe('Where each argument of each loss comes from: docs/configs.md.'),
  lossWeightSchedules: z.record(z.string(), weightSchedule).exactOptional(),
  detachTeacher: z.boolean().exactOptional(),
  compat: z.literal('mmrazor').exactOptional(),
});
