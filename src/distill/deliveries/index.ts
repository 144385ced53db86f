// Deliveries: what the teacher's functions and methods return, handed to the student in place of its own results.
export type { Session } from '../session.ts';
export { DistillDelivery } from './delivery.ts';
export type { DeliveryOptions } from './delivery.ts';
export { DistillDeliveryManager } from './delivery-manager.ts';
export type { DeliveryConfigs } from './delivery-manager.ts';
export { FunctionOutputsDelivery } from './function-outputs.ts';
export type { FunctionDeliveryOptions } from './function-outputs.ts';
export { MethodOutputsDelivery } from './method-outputs.ts';
export type { MethodDeliveryOptions } from './method-outputs.ts';
export { buildDelivery, deliveries } from './registry.ts';
