// Networks, under the module names of OpenMMLab's checkpoints.
export * from './backbones/index.ts';
export * from './classifiers/index.ts';
export * from './heads/index.ts';
export * from './necks/index.ts';
export { profileModel } from './profile.ts';
export type { Profile } from './profile.ts';
export { backbones, buildModel, heads, models, necks } from './registry.ts';
