// The deliveries that configs can name.
import { aliased, entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { functionSource, methodSource } from '../sources.ts';
import { deliverySchema, DistillDelivery } from './delivery.ts';
import { FunctionOutputsDelivery } from './function-outputs.ts';
import { MethodOutputsDelivery } from './method-outputs.ts';

const table = {
  FunctionOutputs: entry(
    aliased(deliverySchema.extend({ source: functionSource }), { funcPath: 'source' }),
    ({ source, ...options }) => new FunctionOutputsDelivery(source, options),
    { summary: "What a function returns for the teacher, in place of the student's own." },
  ),
  MethodOutputs: entry(
    aliased(deliverySchema.extend({ source: methodSource }), { methodPath: 'source' }),
    ({ source, ...options }) => new MethodOutputsDelivery(source, options),
    {
      summary: "What a method returns for the teacher, in place of the student's own.",
      paper: 'Nguyen et al. 2021 (label assignment distillation), arXiv 2108.10520',
    },
  ),
};

/** The deliveries that configs can name, each with the schema of its options. */
export const deliveries = new Registry<DistillDelivery, typeof table>('delivery', table);

/** A delivery from `{ type: 'MethodOutputs', source, maxKeepData }`; one that is built already is taken as it is. */
export function buildDelivery(config: TypedConfig | DistillDelivery, where?: string): DistillDelivery {
  return config instanceof DistillDelivery ? config : deliveries.build(config, where);
}
