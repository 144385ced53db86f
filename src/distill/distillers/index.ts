// Distillers: which records are compared, through which connectors, by which losses.
export { ConfigurableDistiller } from './configurable-distiller.ts';
export type { ConfigurableDistillerOptions } from './configurable-distiller.ts';
export type { ArgumentMapping, LossForwardMappings } from './mapping.ts';
export { buildDistiller, distillers } from './registry.ts';
