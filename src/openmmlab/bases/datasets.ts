// MMClassification's data settings for ImageNet and CIFAR.
import type { BuiltinConfig, BuiltinTable } from './shared.ts';

const imagenetMean = [123.675, 116.28, 103.53];
const imagenetStd = [58.395, 57.12, 57.375];
const pack = { type: 'PackClsInputs' };
const flip = { type: 'RandomFlip', prob: 0.5, direction: 'horizontal' };
const load = { type: 'LoadImageFromFile' };

interface Loaders {
  batchSize: number;
  workers: number;
  train: object;
  test: object;
  topk: readonly number[];
}

function loaders({ batchSize, workers, train, test, topk }: Loaders): Record<string, unknown> {
  const loader = (dataset: object, shuffle: boolean): object => ({
    batch_size: batchSize,
    num_workers: workers,
    dataset,
    sampler: { type: 'DefaultSampler', shuffle },
  });
  return {
    train_dataloader: loader(train, true),
    val_dataloader: loader(test, false),
    val_evaluator: { type: 'Accuracy', topk },
    test_dataloader: loader(test, false),
    test_evaluator: { type: 'Accuracy', topk },
  };
}

interface ImageNetPipelines {
  /** Beside the size, of both resizes. */
  resize?: object;
  /** After the flip. */
  more?: readonly object[];
}

function imagenet(batchSize: number, { resize = {}, more = [] }: ImageNetPipelines = {}): BuiltinConfig {
  const part = (name: string, pipeline: readonly object[]): object => ({
    type: 'ImageNet',
    data_root: 'data/imagenet',
    ann_file: `meta/${name}.txt`,
    data_prefix: name,
    pipeline,
  });
  const train = [load, { type: 'RandomResizedCrop', scale: 224, ...resize }, flip, ...more, pack];
  const edge = { type: 'ResizeEdge', scale: 256, edge: 'short', ...resize };
  const test = [load, edge, { type: 'CenterCrop', crop_size: 224 }, pack];
  return {
    values: {
      data_preprocessor: { num_classes: 1000, mean: imagenetMean, std: imagenetStd, to_rgb: true },
      ...loaders({ batchSize, workers: 5, train: part('train', train), test: part('val', test), topk: [1, 5] }),
    },
  };
}

interface Cifar {
  type: string;
  folder: string;
  classes: number;
  mean: readonly number[];
  std: readonly number[];
}

function cifar({ type, folder, classes, mean, std }: Cifar): BuiltinConfig {
  const part = (test: boolean, pipeline: readonly object[]): object => ({
    type,
    data_prefix: folder,
    test_mode: test,
    pipeline,
  });
  const train = part(false, [{ type: 'RandomCrop', crop_size: 32, padding: 4 }, flip, pack]);
  return {
    values: {
      data_preprocessor: { num_classes: classes, mean, std, to_rgb: false },
      ...loaders({ batchSize: 16, workers: 2, train, test: part(true, [pack]), topk: [1] }),
    },
  };
}

// Colors of the augmentations are BGR, as images are loaded.
const bgrMean = imagenetMean.toReversed();
const strong = [
  {
    type: 'RandAugment',
    policies: 'timm_increasing',
    num_policies: 2,
    total_level: 10,
    magnitude_level: 9,
    magnitude_std: 0.5,
    hparams: { pad_val: bgrMean.map(Math.round), interpolation: 'bicubic' },
  },
  {
    type: 'RandomErasing',
    erase_prob: 0.25,
    mode: 'rand',
    min_area_ratio: 0.02,
    max_area_ratio: 1 / 3,
    fill_color: bgrMean,
    fill_std: imagenetStd.toReversed(),
  },
];
const pillow = { backend: 'pillow' };

export const datasets: BuiltinTable = {
  '_base_/datasets/imagenet_bs32.py': imagenet(32),
  '_base_/datasets/imagenet_bs64.py': imagenet(64),
  '_base_/datasets/imagenet_bs32_pil_resize.py': imagenet(32, { resize: pillow }),
  '_base_/datasets/imagenet_bs64_pil_resize.py': imagenet(64, { resize: pillow }),
  '_base_/datasets/imagenet_bs64_swin_224.py': imagenet(64, {
    resize: { ...pillow, interpolation: 'bicubic' },
    more: strong,
  }),
  '_base_/datasets/cifar10_bs16.py': cifar({
    type: 'CIFAR10',
    folder: 'data/cifar10',
    classes: 10,
    mean: [125.307, 122.961, 113.8575],
    std: [51.5865, 50.847, 51.255],
  }),
  '_base_/datasets/cifar100_bs16.py': cifar({
    type: 'CIFAR100',
    folder: 'data/cifar100',
    classes: 100,
    mean: [129.304, 124.07, 112.434],
    std: [68.17, 65.392, 70.418],
  }),
};
