// Blocks that connectors and networks share, under OpenMMLab's names.
export { buildActivation } from './build-activation.ts';
export type { ActivationConfig } from './build-activation.ts';
export { buildNorm } from './build-norm.ts';
export type { NamedNorm, NormConfig } from './build-norm.ts';
export { ConvModule } from './conv-module.ts';
export type { ConvConfig, ConvModuleOptions, ConvModulePart } from './conv-module.ts';
export { NonLocal2d } from './non-local.ts';
export type { NonLocalMode, NonLocalOptions } from './non-local.ts';
export { SepConv } from './sep-conv.ts';
export type { SepConvOptions } from './sep-conv.ts';
