// The distillers that configs can name.
import { z } from 'zod';

import { isObject } from '../../check.ts';
import type { Module } from '../../nn/index.ts';
import { entry, Registry, typedOf } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { DistillDelivery } from '../deliveries/index.ts';
import type { DistillLoss } from '../losses/index.ts';
import type { Recorder } from '../recorders/index.ts';
import { BYOTDistiller } from './byot-distiller.ts';
import { ConfigurableDistiller } from './configurable-distiller.ts';
import type { LossForwardMappings } from './mapping.ts';
import { OFDDistiller } from './ofd-distiller.ts';
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

const options = z.strictObject({
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

const table = {
  ConfigurableDistiller: entry(options, (checked) => ConfigurableDistiller.fromOptions(checked), {
    summary: 'Recorders, connectors, losses and mappings from the config.',
  }),
  BYOTDistiller: entry(options, (checked) => BYOTDistiller.fromOptions(checked), {
    summary: 'The same, with teacher records that are constants: a network that teaches itself.',
    paper: 'Zhang et al. 2019, arXiv 1905.08094',
  }),
  OFDDistiller: entry(options, (checked) => OFDDistiller.fromOptions(checked), {
    summary: 'The same, with margins of the teacher features from its batch norms.',
    paper: 'Heo et al. 2019, arXiv 1904.01866',
  }),
};

export const distillers = new Registry<ConfigurableDistiller, typeof table>('distiller', table);

/** A distiller from `{ type: 'ConfigurableDistiller', ... }`; one that is built already is taken as it is. */
export function buildDistiller(config: TypedConfig | ConfigurableDistiller, where?: string): ConfigurableDistiller {
  return config instanceof ConfigurableDistiller ? config : distillers.build(config, where);
}
