// Hands what a method of a class returns for the teacher to the student.
import { methodTarget } from '../../intercept/taps.ts';
import type { AddressOptions, MethodReference } from '../../intercept/taps.ts';
import { DistillDelivery } from './delivery.ts';
import type { DeliveryOptions } from './delivery.ts';

export interface MethodDeliveryOptions extends DeliveryOptions, AddressOptions {}

/**
 * `new MethodOutputsDelivery({ class: PAAHead, method: 'getTargets' }, { maxKeepData: 100 })`: the student's head gets the
 * teacher's label assignment. It holds for every instance of the class, or for those that inherit the method.
 *
 * @example
 * ```ts
 * const delivery = new MethodOutputsDelivery({ class: PAAHead, method: 'getTargets' }, { maxKeepData: 100 });
 * delivery.overrideData = false;
 * delivery.deliver(() => teacher.forward(images));
 * delivery.overrideData = true;
 * delivery.deliver(() => student.forward(images));
 * delivery.endStep();
 * ```
 */
export class MethodOutputsDelivery extends DistillDelivery {
  constructor(source: string | MethodReference, options: MethodDeliveryOptions = {}) {
    super(methodTarget(source, options), options);
  }
}
