// Backbones: images to feature maps.
export { BasicBlock } from './basic-block.ts';
export { Bottleneck } from './bottleneck.ts';
export { ResNet, ResNetCifar } from './resnet.ts';
export type { ResNetOptions } from './resnet.ts';
