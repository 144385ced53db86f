// Distillers: which records are compared, through which connectors, by which losses.
export { BYOTDistiller } from './byot-distiller.ts';
export { ConfigurableDistiller } from './configurable-distiller.ts';
export type { ConfigurableDistillerOptions } from './configurable-distiller.ts';
export type {
  ConnectorConfig,
  DeliveryConfig,
  DistillerOptions,
  LossConfig,
  LossesByName,
  RecorderConfig,
  RecordMapping,
} from './distiller-types.ts';
export { connectorsOf, sourcesOf } from './mapping.ts';
export type {
  ArgumentMapping,
  ArgumentSource,
  BatchField,
  FieldSource,
  LossForwardMappings,
  RecordSource,
  ValueSource,
} from './mapping.ts';
export { OFDDistiller } from './ofd-distiller.ts';
export { buildDistiller, distillers } from './registry.ts';
export { weightFactor } from './weight-schedule.ts';
export type { TrainingProgress, WeightSchedule } from './weight-schedule.ts';
