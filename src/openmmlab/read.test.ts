import { basename } from 'node:path';

import { expect, it } from 'vitest';

import { checkConfig } from '../config/experiment.ts';
import { nodeAt, showOrigin, toPlain } from '../config/tree/index.ts';
import { requireClean, showUnknown } from './index.ts';
import { at, kd, readText, said } from './openmmlab.contract.ts';
import { refusal } from '../../test/refusal.ts';

it('W5: a recipe is an experiment of ours, without any package of OpenMMLab', () => {
  const config = readText(kd);
  requireClean('kd', config);
  const [stage] = checkConfig(toPlain(config.tree), 'kd');
  const classifier = (depth: number): object => ({
    type: 'ImageClassifier',
    backbone: { type: 'ResNet', depth, numStages: 4, outIndices: [3], style: 'pytorch' },
    neck: { type: 'GlobalAveragePooling' },
    head: {
      type: 'LinearClsHead',
      numClasses: 1000,
      inChannels: 512,
      loss: { type: 'CrossEntropyLoss', lossWeight: 1 },
      topk: [1, 5],
    },
  });
  const fc = { fc: { type: 'ModuleOutputs', source: 'head.fc' } };
  const normalize = { type: 'Normalize', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  expect(stage!.config).toEqual({
    model: {
      type: 'SingleTeacherDistill',
      compat: 'mmrazor',
      architecture: classifier(18),
      teacher: classifier(34),
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: fc,
        teacherRecorders: fc,
        distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1, lossWeight: 3 } },
        lossForwardMappings: {
          loss_kl: {
            predsS: { fromStudent: true, recorder: 'fc' },
            predsT: { fromStudent: false, recorder: 'fc' },
          },
        },
      },
    },
    trainData: {
      dataset: { type: 'ImageNet', split: 'train' },
      batchSize: 32,
      transforms: [
        { type: 'RandomResizedCrop', size: 224, antialias: false },
        { type: 'RandomHorizontalFlip', p: 0.5, direction: 'horizontal' },
        normalize,
      ],
    },
    valData: {
      dataset: { type: 'ImageNet', split: 'val' },
      batchSize: 32,
      transforms: [
        { type: 'ResizeEdge', size: 256, edge: 'short', antialias: false },
        { type: 'CenterCrop', size: 224 },
        normalize,
      ],
    },
    optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 1e-4 },
    schedulers: [{ type: 'MultiStepLR', milestones: [30, 60, 90], gamma: 0.1 }],
    epochs: 100,
    evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
    hooks: [{ type: 'LoggerHook', interval: 100 }],
    seed: 0,
    memoryFormat: 'channels_last',
  });
});

it('every value knows where it was written, and every note too', () => {
  const config = readText(kd);
  const places = ['model.distiller.distillLosses.loss_kl.tau', 'model.architecture.backbone.depth', 'optimizer.lr'];
  expect(places.map((path) => basename(showOrigin(nodeAt(config.tree, path.split('.'))!.origin)))).toEqual([
    'config.py:17:67',
    'resnet18.py',
    'imagenet_bs256.py',
  ]);
  expect(nodeAt(config.tree, ['optimizer', 'lr'])!.origin.file).toBe('mmcls::_base_/schedules/imagenet_bs256.py');
  expect(said(config.notes)).toContainEqual(
    expect.stringMatching(/^config\.py:12: model\.teacher\.pretrained: https:\S+resnet34\S+\.pth would be loaded/),
  );
  expect(said(config.notes)).toContainEqual(expect.stringMatching(/^config\.py:23: find_unused_parameters: /));
  expect(config.files.map((file) => basename(file))).toEqual(['config.py']);
});

it('a folder of the package counts before what is built in', () => {
  const own = "model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=50), head=dict(type='ClsHead'))";
  const files = { 'mmcls/resnet/resnet18_8xb32_in1k.py': own };
  const config = readText(kd, { files, packages: { mmcls: 'mmcls' } });
  expect(at(config, 'model.architecture.backbone.depth')).toBe(50);
  expect(at(config, 'model.teacher.backbone.depth')).toBe(34);
  expect(config.files.map((file) => basename(file))).toEqual(['config.py', 'resnet18_8xb32_in1k.py']);
});

it('a model of a base may be changed and used', () => {
  const config = readText(`
_base_ = ['mmcls::shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py']
student = _base_.model
student.head.num_classes = 7
model = dict(_scope_='mmrazor', _delete_=True, type='SelfDistill', architecture=student,
             distiller=dict(type='ConfigurableDistiller'))
`);
  requireClean('self', config);
  expect(at(config, 'model.architecture')).toMatchObject({
    backbone: { type: 'ShuffleNetV2', widenFactor: 1 },
    head: { numClasses: 7 },
  });
});

it.each([
  ["type='EfficientNet', arch='b3', frozen_stages=0", { arch: 'b3', frozenStages: -1 }, 0],
  ["type='EfficientNet', frozen_stages=3, conv_cfg=dict(type='Conv2dAdaptivePadding')", { frozenStages: 2 }, 0],
  [
    "type='DenseNet', arch='169', frozen_stages=0, out_indices=-1",
    { arch: '169', frozenStages: -1, outIndices: -1 },
    0,
  ],
  ["type='DenseNet', frozen_stages=2", { frozenStages: 2 }, 1],
  ["type='VGG', depth=11, num_classes=-1", { depth: 11, numClasses: undefined }, 0],
  ["type='VGG', depth=11, num_classes=1000", { depth: 11, numClasses: 1000 }, 0],
  ["type='SEResNeXt', depth=50, groups=32, width_per_group=4, se_ratio=16", { seRatio: 16, groups: 32 }, 0],
  ["type='MobileNetV3', arch='large', out_indices=(16, )", { arch: 'large', outIndices: [16] }, 0],
])('reads the backbone %s', (written, expected, notes) => {
  const config = readText(`
_base_ = ['mmcls::shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py']
student = _base_.model
student.backbone = dict(${written})
model = dict(_scope_='mmrazor', _delete_=True, type='SelfDistill', architecture=student,
             distiller=dict(type='ConfigurableDistiller'))
`);
  requireClean('self', config);
  const backbone = at(config, 'model.architecture.backbone') as Record<string, unknown>;
  for (const [key, value] of Object.entries(expected)) expect(backbone[key], key).toEqual(value);
  expect(config.notes.filter(({ text }) => text.includes('stem'))).toHaveLength(notes);
});

it('says what is not there yet, and reads the rest', () => {
  const config = readText(`
_base_ = ['mmdet::_base_/datasets/coco_detection.py']
model = dict(
    _scope_='mmrazor',
    type='FpnTeacherDistill',
    architecture=dict(cfg_path='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', pretrained=False),
    teacher=dict(
        type='mmdet.RetinaNet',
        data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
        backbone=dict(type='mmdet.ResNet', depth=101, dcn=dict(type='DCN')),
        neck=dict(type='mmdet.FPN', norm_cfg=dict(type='BN')),
        bbox_head=dict(type='mmdet.RetinaHead', anchor_generator=dict(type='AnchorGenerator'))),
    distiller=dict(type='ConfigurableDistiller'))
train_dataloader = dict(batch_size=2, dataset=dict(type='CocoDataset', pipeline=[dict(type='LoadAnnotations')]))
optim_wrapper = dict(optimizer=dict(lr=0.01))
custom_hooks = [dict(type='mmdet.CheckInvalidLossHook')]
`);
  expect(config.mistakes).toEqual([]);
  expect(config.unknown.map(({ kind, name, origin }) => `${kind} ${name} ${origin.line}`)).toEqual([
    'config file mmdet::_base_/datasets/coco_detection.py 2',
    'config file mmdet::retinanet/retinanet_r50_fpn_1x_coco.py 6',
    'model mmdet.RetinaNet 8',
    'data preprocessor mmdet.DetDataPreprocessor 9',
    'neck mmdet.FPN 11',
    'bbox head mmdet.RetinaHead 12',
    'anchor generator AnchorGenerator 12',
    'data set CocoDataset 14',
    'transform LoadAnnotations 14',
    'hook mmdet.CheckInvalidLossHook 16',
  ]);
  expect(at(config, 'model.teacher.neck')).toEqual({ type: 'FPN', normCfg: { type: 'BN' } });
  expect(showUnknown(config.unknown[4]!)).toMatch(/config\.py:11:24: model\.teacher\.neck\.type: there is no neck/);
  expect(() => requireClean('config.py', config)).toThrow(refusal('invalid-config', 'mmdet.CheckInvalidLossHook'));
});

it('takes values in place of the config’s, and the numbers of the papers', () => {
  const config = readText(kd, {
    cfgOptions: ['optim_wrapper.optimizer.lr=0.2', 'model.distiller.distill_losses.loss_kl.tau=4'],
    compat: 'none',
  });
  expect(at(config, 'optimizer.lr')).toBe(0.2);
  expect(at(config, 'model.distiller.distillLosses.loss_kl.tau')).toBe(4);
  expect(at(config, 'model.compat')).toBeUndefined();
});

it('references that go round, and names that every object has', () => {
  const files = { 'mmcls/a.py': "model = dict(cfg_path='mmcls::a.py')" };
  const round = readText("model = dict(cfg_path='mmcls::a.py')", { files, packages: { mmcls: 'mmcls' } });
  expect(round.mistakes.map(({ text }) => text)).toEqual(['mmcls::a.py refers to itself']);
  const odd = readText(`
odd = {'constructor': dict(type='constructor'), 'type': 'toString', 'valueOf': [dict(type='hasOwnProperty')]}
model = dict(type='mmrazor.SelfDistill', architecture=odd, distiller=dict(
    type='ConfigurableDistiller', distill_losses=odd, connectors=odd, student_recorders=odd,
    loss_forward_mappings=dict(constructor=dict(constructor=dict(recorder='constructor', from_student=True)))))
train_dataloader = dict(dataset=dict(type='CIFAR10', data_prefix='d', test_mode=False, pipeline=[odd, dict(
    type='RandomErasing', mode='constructor'), dict(type='AutoAugment', policies=[[odd]])]), sampler=odd)
val_dataloader = dict(dataset=odd)
optim_wrapper = dict(optimizer=odd, paramwise_cfg=odd)
param_scheduler = [odd, odd]
train_cfg = odd
val_cfg = odd
val_evaluator = odd
default_hooks = dict(constructor=odd, checkpoint=dict(type='CheckpointHook', save_best='toString', rule='valueOf'))
custom_hooks = [odd]
data_preprocessor = odd`);
  expect(odd.unknown.map(({ name }) => name)).toEqual(expect.arrayContaining(['toString', 'constructor']));
});
