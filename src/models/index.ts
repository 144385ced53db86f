// Networks, under the module names of OpenMMLab's checkpoints.
export * from './augments/index.ts';
export * from './backbones/index.ts';
export * from './classifiers/index.ts';
export { convertWeights } from './convert.ts';
export type { ConvertOptions, ConvertReport } from './convert.ts';
export * from './heads/index.ts';
export * from './necks/index.ts';
export { toOurNames, toTheirNames } from './names/index.ts';
export type { Convention, OurNames, TheirNames, ToOurNamesOptions } from './names/index.ts';
export { OnnxNetwork } from './onnx/onnx-network.ts';
export type { OnnxNetworkOptions } from './onnx/onnx-network.ts';
export type { Backbone, Feature, Head, Neck } from './parts.ts';
export { recognizeNetwork } from './recognize.ts';
export { measureLatency, profileModel } from './profile.ts';
export type { Profile } from './profile.ts';
export { backbones, buildBackbone, buildHead, buildModel, buildNeck, heads, models, necks } from './registry.ts';
export { loadNetwork, weightsReports } from './weights.ts';
export type { LoadNetworkOptions, OtherShape, WeightsReport } from './weights.ts';
