// Hands what a function returns for the teacher to the student.
import { functionTarget } from '../../intercept/taps.ts';
import type { AddressOptions } from '../../intercept/taps.ts';
import { DistillDelivery } from './delivery.ts';
import type { DeliveryOptions } from './delivery.ts';

export interface FunctionDeliveryOptions extends DeliveryOptions, AddressOptions {}

/**
 * `new FunctionOutputsDelivery('src/augment.ts#mixup')`: the student mixes what the teacher mixed.
 *
 * @example
 * ```ts
 * const delivery = new FunctionOutputsDelivery('src/augment.ts#mixup');
 * delivery.overrideData = false;
 * delivery.deliver(() => teacher.forward(images));
 * delivery.overrideData = true;
 * delivery.deliver(() => student.forward(images));
 * delivery.endStep();
 * ```
 */
export class FunctionOutputsDelivery extends DistillDelivery {
  constructor(source: string | ((...args: never[]) => unknown), options: FunctionDeliveryOptions = {}) {
    super(functionTarget(source, options), options);
  }
}
