// DeiT-base for ImageNet; training batches are mixed. Touvron et al. 2020, arXiv 2012.12877.
import type { ClassifierConfig } from 'retort-kd/config';

const deitBase = {
  type: 'ImageClassifier',
  backbone: { type: 'VisionTransformer', arch: 'deit-base', imgSize: 224, patchSize: 16, dropPathRate: 0.1 },
  neck: null,
  head: {
    type: 'VisionTransformerClsHead',
    numClasses: 1000,
    inChannels: 768,
    loss: { type: 'LabelSmoothLoss', labelSmoothVal: 0.1, mode: 'original' },
  },
  initCfg: [
    { type: 'TruncNormal', layer: 'Linear', std: 0.02 },
    { type: 'Constant', layer: 'LayerNorm', val: 1, bias: 0 },
  ],
  trainCfg: {
    augments: [
      { type: 'Mixup', alpha: 0.8 },
      { type: 'CutMix', alpha: 1 },
    ],
  },
} as const satisfies ClassifierConfig;
export default deitBase;
