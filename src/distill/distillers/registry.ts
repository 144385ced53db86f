// The distillers that configs can name.
import { z } from 'zod';

import { Module } from '../../nn/index.ts';
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { DistillLoss } from '../losses/index.ts';
import type { Recorder } from '../recorders/index.ts';
import { ConfigurableDistiller } from './configurable-distiller.ts';

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
/** A config to be built, or the built thing. */
const buildable = <T>() => z.custom<TypedConfig | T>(isObject, 'expected { type, ...options }');

const mapping = z.strictObject({
  recorder: z.string(),
  fromStudent: z.boolean(),
  recordIdx: z.number().int().exactOptional(),
  dataIdx: z.number().int().exactOptional(),
  connector: z.string().exactOptional(),
  connectorIdx: z.number().int().exactOptional(),
});

const options = z.strictObject({
  studentRecorders: z.record(z.string(), buildable<Recorder>()).exactOptional(),
  teacherRecorders: z.record(z.string(), buildable<Recorder>()).exactOptional(),
  connectors: z
    .record(
      z.string(),
      z.custom<Module>((value) => value instanceof Module, 'expected a module'),
    )
    .exactOptional(),
  distillLosses: z.record(z.string(), buildable<DistillLoss>()).exactOptional(),
  lossForwardMappings: z.record(z.string(), z.record(z.string(), mapping)).exactOptional(),
});

export const distillers = new Registry<ConfigurableDistiller>('distiller', {
  ConfigurableDistiller: entry(options, (checked) => new ConfigurableDistiller(checked), {
    summary: 'Recorders, connectors, losses and mappings from the config.',
  }),
});

/** A distiller from `{ type: 'ConfigurableDistiller', ... }`; one that is built already is taken as it is. */
export function buildDistiller(config: TypedConfig | ConfigurableDistiller, where?: string): ConfigurableDistiller {
  return config instanceof ConfigurableDistiller ? config : distillers.build(config, where);
}
