import { expect, it } from 'vitest';

import { requireClean } from '../index.ts';
import type { OpenMMLabConfig } from '../index.ts';
import { at, net, readText, said } from '../openmmlab.contract.ts';

interface Loader {
  dataset?: string;
  pipeline?: string;
  /** `data_preprocessor` of the algorithm. */
  preprocessor?: string;
}

const cifar = "type='CIFAR10', data_prefix='data/cifar10', test_mode=False";
const imagenet = "type='ImageNet', data_root='data/imagenet', ann_file='meta/train.txt', data_prefix='train'";

function read({ dataset = cifar, pipeline = '', preprocessor }: Loader): OpenMMLabConfig {
  return readText(`${net}
default_scope = 'mmcls'
${preprocessor === undefined ? '' : `data_preprocessor = dict(${preprocessor})`}
model = net
train_dataloader = dict(batch_size=4, num_workers=2, dataset=dict(${dataset}, pipeline=[${pipeline}]))
`);
}

function transforms(options: Loader): unknown {
  const config = read(options);
  requireClean('transforms', config);
  return at(config, 'trainData.transforms');
}

it.each([
  [cifar, { type: 'Cifar10', split: 'train' }],
  [
    "type='CIFAR100', data_prefix='elsewhere/cifar/', test_mode=True",
    { type: 'Cifar100', split: 'test', root: 'elsewhere/cifar' },
  ],
  [
    "type='mmpretrain.CIFAR10', data_root='d', split='test', indices=8",
    { type: 'Cifar10', split: 'test', root: 'd', limit: 8 },
  ],
  [
    "type='FashionMNIST', data_prefix='fm', test_mode=False, download=False",
    { type: 'FashionMnist', split: 'train', root: 'fm' },
  ],
  [imagenet, { type: 'ImageNet', split: 'train' }],
  ["type='ImageNet', data_root='/in1k', split='val'", { type: 'ImageNet', split: 'val', root: '/in1k' }],
  [
    "type='ImageNet', data_root='in', data_prefix=dict(img_path='val'), ann_file='my.txt'",
    { type: 'ImageNet', split: 'val', root: 'in', annFile: 'my.txt' },
  ],
  ["type='ImageNet', data_prefix='data/tiny/images'", { type: 'ImageFolder', root: 'data/tiny/images' }],
  [
    "type='CustomDataset', data_root='d', data_prefix='img', ann_file='list.txt'",
    { type: 'ImageFolder', root: 'd/img', annFile: 'd/list.txt' },
  ],
])('data set %s', (dataset, expected) => {
  const config = read({ dataset });
  requireClean('data set', config);
  expect(at(config, 'trainData.dataset')).toEqual(expected);
});

it('CRD’s wrapper is around its data set, whose pipeline counts', () => {
  const inner = `dict(_scope_='mmcls', ${cifar}, pipeline=[dict(type='RandomFlip', prob=0.5), dict(_scope_='mmrazor', type='PackCRDClsInputs')])`;
  const config = readText(`
train_dataloader = dict(batch_size=16, dataset=dict(
    _scope_='mmrazor', type='CRDDataset', dataset=${inner}, neg_num=16384, sample_mode='exact', percent=1.0))`);
  requireClean('crd', config);
  expect(at(config, 'trainData.dataset')).toEqual({
    type: 'CrdDataset',
    dataset: { type: 'Cifar10', split: 'train' },
    negNum: 16_384,
    sampleMode: 'exact',
    percent: 1,
  });
  expect(at(config, 'trainData.transforms.0')).toEqual({ type: 'RandomHorizontalFlip', p: 0.5 });
});

const load = "dict(type='LoadImageFromFile')";

it.each([
  [
    "dict(type='RandomResizedCrop', scale=(192, 224), crop_ratio_range=(0.2, 1.0), aspect_ratio_range=(1, 2), max_attempts=3, interpolation='bicubic', backend='pillow')",
    {
      type: 'RandomResizedCrop',
      size: [192, 224],
      areaRange: [0.2, 1],
      aspectRange: [1, 2],
      attempts: 3,
      interpolation: 'bicubic',
    },
  ],
  [
    "dict(type='ResizeEdge', scale=256, edge='long')",
    { type: 'ResizeEdge', size: 256, edge: 'long', antialias: false },
  ],
  ["dict(type='Resize', scale=(320, 240), keep_ratio=False)", { type: 'Resize', size: [240, 320], antialias: false }],
  ["dict(type='CenterCrop', crop_size=(320, 240))", { type: 'CenterCrop', size: [240, 320] }],
  [
    "dict(type='RandomCrop', crop_size=32, padding=[4, 4, 4, 4], pad_val=7)",
    { type: 'RandomCrop', cropSize: 32, padding: 4, fill: 7 },
  ],
  [
    "dict(type='RandomFlip', prob=0.3, direction='vertical')",
    { type: 'RandomHorizontalFlip', p: 0.3, direction: 'vertical' },
  ],
  ["dict(type='Cutout', shape=16, pad_val=(1, 2, 3), prob=1.0)", { type: 'Cutout', size: 16, fill: [3, 2, 1], p: 1 }],
  [
    "dict(type='ColorJitter', brightness=0.4, contrast=(0.5, 1.5), hue=0)",
    { type: 'ColorJitter', brightness: 0.4, contrast: [0.5, 1.5] },
  ],
  [
    "dict(type='RandomErasing', erase_prob=0.25, mode='rand', max_area_ratio=0.5, aspect_range=0.5, fill_color=[103, 116, 123], fill_std=(1, 2, 3))",
    {
      type: 'RandomErasing',
      p: 0.25,
      areaRange: [0.02, 0.5],
      aspectRange: [0.5, 2],
      mode: 'random',
      fill: [123, 116, 103],
      fillStd: [3, 2, 1],
    },
  ],
  [
    "dict(type='RandAugment', policies='timm_increasing', num_policies=2, total_level=10, magnitude_level=9, magnitude_std=0.5, hparams=dict(pad_val=[1, 2, 3], interpolation='bicubic'))",
    {
      type: 'RandAugment',
      policies: 'timm_increasing',
      numPolicies: 2,
      totalLevel: 10,
      magnitudeLevel: 9,
      magnitudeStd: 0.5,
      fill: [3, 2, 1],
      interpolation: 'bicubic',
    },
  ],
  [
    "dict(type='RandAugment', policies=[dict(type='Rotate', magnitude_range=(0, 30))], num_policies=1, magnitude_level=5)",
    { type: 'RandAugment', policies: [{ type: 'Rotate', magnitudeRange: [0, 30] }], numPolicies: 1, magnitudeLevel: 5 },
  ],
  [
    "dict(type='AutoAugment', policies=[[dict(type='Translate', magnitude=150 / 300, direction='vertical', prob=0.3), dict(type='ColorTransform', magnitude=0.3, prob=0.4)], [dict(type='Posterize', bits=5, prob=0.3), dict(type='Invert', prob=0.1)], [dict(type='Shear', magnitude=0.2, random_negative_prob=0), dict(type='Solarize', thr=128)], [dict(type='Rotate', angle=10.)]])",
    {
      type: 'AutoAugment',
      policies: [
        [
          { type: 'TranslateY', magnitude: 0.5, p: 0.3 },
          { type: 'Color', magnitude: 0.3, p: 0.4 },
        ],
        [
          { type: 'Posterize', magnitude: 5, p: 0.3 },
          { type: 'Invert', p: 0.1 },
        ],
        [
          { type: 'ShearX', magnitude: 0.2, negativeP: 0 },
          { type: 'Solarize', magnitude: 128 },
        ],
        [{ type: 'Rotate', magnitude: 10 }],
      ],
    },
  ],
])('%s', (step, expected) => {
  const found = transforms({ dataset: imagenet, pipeline: `${load}, ${step}`, preprocessor: 'mean=[0], std=[255]' });
  expect(found).toEqual([expected, { type: 'Normalize', mean: [0], std: [1] }]);
});

const mean = 'mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]';
const rgb = { type: 'Normalize', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

it.each([
  ['files are BGR there', imagenet, load, `${mean}, to_rgb=True`, rgb],
  ['a network for BGR', imagenet, load, `${mean}, to_rgb=False`, { ...rgb, reverseChannels: true }],
  ['CIFAR is RGB', cifar, '', `${mean}, to_rgb=False`, rgb],
  [
    'CIFAR turned around',
    cifar,
    '',
    `type='ImgDataPreprocessor', ${mean}, bgr_to_rgb=True`,
    { ...rgb, reverseChannels: true },
  ],
  [
    'nothing subtracted',
    cifar,
    '',
    'to_rgb=False',
    { type: 'Normalize', mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255].map((x) => Number(x.toPrecision(12))) },
  ],
])('normalization: %s', (_, dataset, pipeline, preprocessor, expected) => {
  expect(transforms({ dataset, pipeline, preprocessor })).toEqual([expected]);
});

it('a pipeline may normalize itself', () => {
  expect(transforms({ dataset: imagenet, pipeline: `${load}, dict(type='Normalize', ${mean}, to_rgb=True)` })).toEqual([
    rgb,
  ]);
});

it('batches are mixed after normalization, in training only', () => {
  const augments = "augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)], probs=[0.3, 0.7]";
  const config = readText(`${net}
default_scope = 'mmcls'
data_preprocessor = dict(${mean}, num_classes=10, to_onehot=True, batch_augments=dict(${augments}))
net.train_cfg = dict(augments=dict(type='Mixup', alpha=1))
model = dict(type='mmrazor.SelfDistill', architecture=net, distiller=dict(type='mmrazor.ConfigurableDistiller'))
train_dataloader = dict(batch_size=4, dataset=dict(${cifar}))
val_dataloader = dict(batch_size=4, dataset=dict(${cifar}))
test_dataloader = dict(batch_size=8, dataset=dict(${cifar}))`);
  requireClean('mixing', config);
  const mix = {
    type: 'RandomBatchAugment',
    augments: [
      { type: 'Mixup', alpha: 0.8 },
      { type: 'CutMix', alpha: 1 },
    ],
    probs: [0.3, 0.7],
  };
  expect(at(config, 'trainData.transforms')).toEqual([rgb, mix]);
  expect(at(config, 'valData.transforms')).toEqual([rgb]);
  expect(at(config, 'testData.batchSize')).toBe(8);
  expect(said(config.notes)).toContainEqual(expect.stringMatching(/architecture\.train_cfg: without effect/));
});

it('without a preprocessor of the algorithm that of the student counts', () => {
  const config = readText(`${net}
default_scope = 'mmcls'
net.data_preprocessor = dict(${mean})
net.train_cfg = dict(augments=dict(type='Mixup', alpha=0.2))
other = dict(type='ImageClassifier', backbone=net.backbone, head=net.head, data_preprocessor=dict(mean=[0, 0, 0], std=[1, 1, 1]))
model = dict(teacher=other, type='mmrazor.SingleTeacherDistill', architecture=net, distiller=dict(type='mmrazor.ConfigurableDistiller'))
train_dataloader = dict(batch_size=4, dataset=dict(${cifar}))`);
  requireClean('student', config);
  expect(at(config, 'trainData.transforms')).toEqual([
    rgb,
    { type: 'RandomBatchAugment', augments: [{ type: 'Mixup', alpha: 0.2 }] },
  ]);
  expect(said(config.notes)).toContainEqual(
    expect.stringMatching(/model\.teacher: its own data_preprocessor is another one/),
  );
});

it('what a transform or a loader cannot do is a mistake', () => {
  const config = read({
    pipeline: [
      "dict(type='RandomFlip', prob=2)",
      "dict(type='RandomCrop', crop_size=32, padding_mode='reflect')",
      "dict(type='ColorJitter', hue=0.1)",
      "dict(type='Resize', scale=32, keep_ratio=True)",
      "dict(type='AutoAugment', policies=[[dict(type='Contrast')]])",
      "dict(type='RandomFlp')",
    ].join(', '),
    preprocessor: 'mean=[1, 2, 3], pad_size_divisor=32',
  });
  expect(config.mistakes.map(({ path, text }) => `${path}: ${text}`)).toEqual([
    expect.stringMatching(/^data_preprocessor: pad_size_divisor/),
    'data_preprocessor: mean and std must have one value for each channel, got 3 and 0',
    expect.stringMatching(/pipeline\.0: RandomHorizontalFlip p: .*, got 2$/),
    'train_dataloader.dataset.pipeline.1.padding_mode: padding_mode is "constant" here, always',
    'train_dataloader.dataset.pipeline.2.hue: hue is 0 here, always',
    expect.stringMatching(/pipeline\.3\.keep_ratio: Resize gives all images one size/),
  ]);
  expect(config.unknown).toMatchObject([{ kind: 'transform', name: 'RandomFlp', near: ['RandomFlip', 'RandomCrop'] }]);
});
