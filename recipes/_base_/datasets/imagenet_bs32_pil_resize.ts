// ImageNet as MMClassification's imagenet_bs32_pil_resize: resized as Pillow does, with antialiasing.
import { defineBase, type TransformConfig } from 'retort-kd/config';

const normalize: TransformConfig = { type: 'Normalize', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export default defineBase({
  trainData: {
    dataset: { type: 'ImageNet', split: 'train' },
    batchSize: 32,
    transforms: [{ type: 'RandomResizedCrop', size: 224 }, { type: 'RandomHorizontalFlip' }, normalize],
  },
  valData: {
    dataset: { type: 'ImageNet', split: 'val' },
    batchSize: 32,
    transforms: [{ type: 'ResizeEdge', size: 256 }, { type: 'CenterCrop', size: 224 }, normalize],
  },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
});
