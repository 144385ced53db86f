// ImageNet as MMClassification's imagenet_bs64_swin_224: bicubic, RandAugment and random erasing, as vision transformers want.
import { defineBase, type TransformConfig } from 'retort-kd/config';

const normalize: TransformConfig = { type: 'Normalize', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export default defineBase({
  trainData: {
    dataset: { type: 'ImageNet', split: 'train' },
    batchSize: 64,
    transforms: [
      { type: 'RandomResizedCrop', size: 224, interpolation: 'bicubic' },
      { type: 'RandomHorizontalFlip' },
      {
        type: 'RandAugment',
        policies: 'timm_increasing',
        numPolicies: 2,
        totalLevel: 10,
        magnitudeLevel: 9,
        magnitudeStd: 0.5,
        fill: [124, 116, 104],
        interpolation: 'bicubic',
      },
      {
        type: 'RandomErasing',
        p: 0.25,
        mode: 'random',
        areaRange: [0.02, 1 / 3],
        fill: [123.675, 116.28, 103.53],
        fillStd: [58.395, 57.12, 57.375],
      },
      normalize,
    ],
  },
  valData: {
    dataset: { type: 'ImageNet', split: 'val' },
    batchSize: 64,
    transforms: [
      { type: 'ResizeEdge', size: 256, interpolation: 'bicubic' },
      { type: 'CenterCrop', size: 224 },
      normalize,
    ],
  },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
});
