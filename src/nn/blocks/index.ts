// Blocks that connectors and networks share, under OpenMMLab's names.
export { activations, activationSchema, buildActivation } from './activations.ts';
export type { ActivationConfig, ActivationFactory, PlacedOptions } from './activations.ts';
export { buildConv, ConvModule, convModuleRule, convModuleShape, convSchema } from './conv-module.ts';
export type { ConvConfig, ConvModuleOptions, ConvModulePart } from './conv-module.ts';
export { NonLocal2d, nonLocalShape } from './non-local.ts';
export type { NonLocalMode, NonLocalOptions } from './non-local.ts';
export { buildNorm, norms, normSchema, putNorm } from './norms.ts';
export type { NamedNorm, NormConfig, NormFactory, NormOptions } from './norms.ts';
export { SepConv } from './sep-conv.ts';
export type { SepConvOptions } from './sep-conv.ts';
