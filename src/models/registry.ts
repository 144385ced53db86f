// The networks that configs can name, and the parts they are made of.
import { Module } from '../nn/index.ts';
import type { LossModel } from '../nn/index.ts';
import { Registry } from '../registry/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { denseNetEntry } from './backbones/densenet.ts';
import { efficientNetEntry } from './backbones/efficientnet.ts';
import { convNeXtEntry } from './backbones/convnext.ts';
import { mobileNetV2Entry } from './backbones/mobilenet-v2.ts';
import { mobileNetV3Entry } from './backbones/mobilenet-v3.ts';
import { regnetEntry } from './backbones/regnet.ts';
import { resnetCifarEntry } from './backbones/resnet-cifar.ts';
import { resnetV1cEntry, resnetV1dEntry } from './backbones/resnet-variants.ts';
import { resnetEntry } from './backbones/resnet.ts';
import { resnextEntry, seResNetEntry, seResNeXtEntry } from './backbones/resnext.ts';
import { shuffleNetV2Entry } from './backbones/shufflenet-v2.ts';
import { swinTransformerEntry } from './backbones/swin/swin-transformer.ts';
import { timmBackboneEntry } from './backbones/timm/timm-backbone.ts';
import { vggEntry } from './backbones/vgg.ts';
import { tinyViTEntry } from './backbones/tinyvit/tinyvit.ts';
import { distilledVisionTransformerEntry } from './backbones/vit/distilled-vision-transformer.ts';
import { visionTransformerEntry } from './backbones/vit/vision-transformer.ts';
import { wideResNetEntry } from './backbones/wide-resnet.ts';
import { imageClassifierEntry } from './classifiers/entry.ts';
import { clsHeadEntry } from './heads/cls-head.ts';
import { deitClsHeadEntry } from './heads/deit-cls-head.ts';
import { linearClsHeadEntry } from './heads/linear-cls-head.ts';
import { stackedLinearClsHeadEntry } from './heads/stacked-linear-cls-head.ts';
import { visionTransformerClsHeadEntry } from './heads/vision-transformer-cls-head.ts';
import { globalAveragePoolingEntry } from './necks/global-average-pooling.ts';
import { onnxNetworkEntry } from './onnx/onnx-network.ts';
import type { Backbone, Head, Neck } from './parts.ts';

const backboneTable = {
  ResNet: resnetEntry,
  ResNet_CIFAR: resnetCifarEntry,
  ResNetV1c: resnetV1cEntry,
  ResNetV1d: resnetV1dEntry,
  ResNeXt: resnextEntry,
  SEResNet: seResNetEntry,
  SEResNeXt: seResNeXtEntry,
  WideResNet: wideResNetEntry,
  MobileNetV2: mobileNetV2Entry,
  MobileNetV3: mobileNetV3Entry,
  EfficientNet: efficientNetEntry,
  ShuffleNetV2: shuffleNetV2Entry,
  RegNet: regnetEntry,
  DenseNet: denseNetEntry,
  VGG: vggEntry,
  ConvNeXt: convNeXtEntry,
  SwinTransformer: swinTransformerEntry,
  TinyViT: tinyViTEntry,
  VisionTransformer: visionTransformerEntry,
  DistilledVisionTransformer: distilledVisionTransformerEntry,
  TIMMBackbone: timmBackboneEntry,
};
const neckTable = { GlobalAveragePooling: globalAveragePoolingEntry };
const headTable = {
  ClsHead: clsHeadEntry,
  LinearClsHead: linearClsHeadEntry,
  StackedLinearClsHead: stackedLinearClsHeadEntry,
  VisionTransformerClsHead: visionTransformerClsHeadEntry,
  DeiTClsHead: deitClsHeadEntry,
};

/** The backbones that configs can name, each with the schema of its options. */
export const backbones = new Registry<Backbone, typeof backboneTable>('backbone', backboneTable);
/** The necks that configs can name, each with the schema of its options. */
export const necks = new Registry<Neck, typeof neckTable>('neck', neckTable);
/** The heads that configs can name, each with the schema of its options. */
export const heads = new Registry<Head, typeof headTable>('head', headTable);

/** A backbone from `{ type: 'ResNet', depth: 18 }`; a module is taken as it is. */
export function buildBackbone(config: TypedConfig | Backbone, where?: string): Backbone {
  return config instanceof Module ? config : backbones.build(config, where);
}

/** A neck from `{ type: 'GlobalAveragePooling' }`; a module is taken as it is. */
export function buildNeck(config: TypedConfig | Neck, where?: string): Neck {
  return config instanceof Module ? config : necks.build(config, where);
}

/** A head from `{ type: 'LinearClsHead', numClasses, inChannels }`; a module is taken as it is. */
export function buildHead(config: TypedConfig | Head, where?: string): Head {
  return config instanceof Module ? config : heads.build(config, where);
}

const modelTable = {
  ImageClassifier: imageClassifierEntry({
    backbone: (config) => buildBackbone(config),
    neck: (config) => buildNeck(config),
    head: (config) => buildHead(config),
  }),
  OnnxNetwork: onnxNetworkEntry,
};

/** The networks that configs can name, each with the schema of its options. */
export const models = new Registry<LossModel, typeof modelTable>('model', modelTable);

/**
 * A network from `{ type: 'ImageClassifier', backbone, neck, head }`; a module is taken as it is.
 * @throws {RetortError} for unknown types (with the nearest names) and wrong options (all at once).
 */
export function buildModel(config: TypedConfig | LossModel, where?: string): LossModel {
  return config instanceof Module ? config : models.build(config, where);
}
