// Hands what a function returns for the teacher to the student.
import { functionTarget } from '../../intercept/taps.ts';
import type { AddressOptions } from '../../intercept/taps.ts';
import { DistillDelivery } from './delivery.ts';
import type { DeliveryOptions } from './delivery.ts';

export interface FunctionDeliveryOptions extends DeliveryOptions, AddressOptions {}

/** `new FunctionOutputsDelivery('src/augment.ts#mixup')`: the student mixes what the teacher mixed. */
export class FunctionOutputsDelivery extends DistillDelivery {
  constructor(source: string | ((...args: never[]) => unknown), options: FunctionDeliveryOptions = {}) {
    super(functionTarget(source, options), options);
  }
}
