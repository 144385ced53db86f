// Networks, under the module names of OpenMMLab's checkpoints.
export * from './augments/index.ts';
export * from './backbones/index.ts';
export * from './classifiers/index.ts';
export * from './heads/index.ts';
export * from './necks/index.ts';
export { OnnxNetwork } from './onnx/onnx-network.ts';
export type { OnnxNetworkOptions } from './onnx/onnx-network.ts';
export type { Backbone, Feature, Head, Neck } from './parts.ts';
export { loadNetwork, recognizeNetwork } from './recognize.ts';
export { measureLatency, profileModel } from './profile.ts';
export type { Profile } from './profile.ts';
export { backbones, buildBackbone, buildHead, buildModel, buildNeck, heads, models, necks } from './registry.ts';
