// The deliveries that configs can name.
import type { MethodReference } from '../../intercept/taps.ts';
import { addressTo, aliased, entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { deliverySchema, DistillDelivery } from './delivery.ts';
import { FunctionOutputsDelivery } from './function-outputs.ts';
import { MethodOutputsDelivery } from './method-outputs.ts';

type AnyFunction = (...args: never[]) => unknown;

const ofFunction = addressTo<AnyFunction>('function', {
  others: (value) => typeof value === 'function',
  expected: 'expected an address or a function',
});
const ofMethod = addressTo<MethodReference>('method', {
  others: (value) => typeof value === 'object' && value !== null && 'class' in value && 'method' in value,
  expected: 'expected an address or { class, method }',
});

const table = {
  FunctionOutputs: entry(
    aliased(deliverySchema.extend({ source: ofFunction }), { funcPath: 'source' }),
    ({ source, ...options }) => new FunctionOutputsDelivery(source, options),
    { summary: "What a function returns for the teacher, in place of the student's own." },
  ),
  MethodOutputs: entry(
    aliased(deliverySchema.extend({ source: ofMethod }), { methodPath: 'source' }),
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
