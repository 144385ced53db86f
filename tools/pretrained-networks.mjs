// The networks of other libraries that tools/prove-pretrained.mjs reads, and what each is called here.

/** @typedef {{ name: string, model: { type: 'ImageClassifier', backbone: object, neck?: object, head: object } }} Known */

/**
 * @param {string} name the library and its network
 * @param {object} backbone
 * @param {number} inChannels channels that come out of it
 * @param {object} [head] beside the usual
 * @returns {Known}
 */
function pooled(name, backbone, inChannels, head = {}) {
  return {
    name,
    model: {
      type: 'ImageClassifier',
      backbone,
      neck: { type: 'GlobalAveragePooling' },
      head: { type: 'LinearClsHead', numClasses: 1000, inChannels, ...head },
    },
  };
}

/**
 * A network whose backbone ends with a vector, or with the scores.
 * @param {string} name
 * @param {object} backbone
 * @param {object} head
 * @returns {Known}
 */
function bare(name, backbone, head) {
  return { name, model: { type: 'ImageClassifier', backbone, head } };
}

/** EfficientNet-Lite, which the package efficientnet_lite_pytorch has weights for. @param {'lite0' | 'lite1'} arch */
export const efficientNetLite = (arch) => pooled(arch, { type: 'EfficientNet', arch }, 1280).model;

/** Each as its library makes it, whole: 1000 classes, images of 224 pixels. */
export const networks = [
  pooled('torchvision/resnet18', { type: 'ResNet', depth: 18 }, 512),
  pooled('torchvision/resnet50', { type: 'ResNet', depth: 50 }, 2048),
  pooled('torchvision/wide_resnet50_2', { type: 'ResNet', depth: 50, baseChannels: 128, expansion: 2 }, 2048),
  pooled('torchvision/resnext50_32x4d', { type: 'ResNeXt', depth: 50 }, 2048),
  pooled('torchvision/mobilenet_v2', { type: 'MobileNetV2' }, 1280),
  pooled('torchvision/mobilenet_v3_large', { type: 'MobileNetV3', arch: 'large' }, 960, {
    type: 'StackedLinearClsHead',
    midChannels: [1280],
    actCfg: { type: 'HSwish' },
    dropoutRate: 0.2,
  }),
  // As published, with TensorFlow's padding and epsilon, the options are left out: those are of timm's tf_efficientnet_b0.
  pooled(
    'torchvision/efficientnet_b0',
    { type: 'EfficientNet', arch: 'b0', convCfg: null, normCfg: { type: 'BN' } },
    1280,
  ),
  bare(
    'torchvision/vgg11_bn',
    { type: 'VGG', depth: 11, numClasses: 1000, normCfg: { type: 'BN' } },
    { type: 'ClsHead' },
  ),
  pooled('torchvision/densenet121', { type: 'DenseNet', arch: '121' }, 1024),
  bare(
    'torchvision/convnext_tiny',
    { type: 'ConvNeXt', arch: 'tiny' },
    { type: 'LinearClsHead', numClasses: 1000, inChannels: 768 },
  ),
  pooled('torchvision/swin_t', { type: 'SwinTransformer', arch: 'tiny' }, 768),
  bare(
    'torchvision/vit_b_16',
    { type: 'VisionTransformer', arch: 'base' },
    { type: 'VisionTransformerClsHead', numClasses: 1000, inChannels: 768 },
  ),
  pooled('torchvision/shufflenet_v2_x1_0', { type: 'ShuffleNetV2' }, 1024),
  pooled('torchvision/regnet_x_800mf', { type: 'RegNet', arch: 'regnetx_800mf' }, 672),
  bare(
    'timm/deit_tiny_patch16_224',
    { type: 'VisionTransformer', arch: 'deit-tiny' },
    { type: 'VisionTransformerClsHead', numClasses: 1000, inChannels: 192 },
  ),
  // Of ImageNet-22k.
  bare(
    'timm/tiny_vit_5m_224',
    { type: 'TinyViT', arch: '5m' },
    { type: 'LinearClsHead', numClasses: 21841, inChannels: 320 },
  ),
];
