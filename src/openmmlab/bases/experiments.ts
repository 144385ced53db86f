// Whole experiments: MMClassification's that MMRazor's recipes name, and MMRazor's own wide residual networks.
import { zoo } from './shared.ts';
import type { BuiltinConfig, BuiltinTable } from './shared.ts';

const runtime = '_base_/default_runtime.py';

interface Residual {
  depth: number;
  name: string;
  weights: string;
}

/** ResNets on ImageNet. */
const imagenet: readonly Residual[] = [
  { depth: 18, name: '8xb32_in1k', weights: '20210831-fbbb1da6' },
  { depth: 34, name: '8xb32_in1k', weights: '20210831-f257d4e6' },
  { depth: 50, name: '8xb32_in1k', weights: '20210831-ea4938fc' },
  { depth: 101, name: '8xb32_in1k', weights: '20210831-539c63f8' },
  { depth: 152, name: '8xb32_in1k', weights: '20210901-4d7582fa' },
];
/** ResNets on CIFAR-10. */
const cifar: readonly Residual[] = [
  { depth: 18, name: 'b16x8_cifar10', weights: '20210528-bd6371c8' },
  { depth: 34, name: 'b16x8_cifar10', weights: '20210528-a8aa36a6' },
  { depth: 50, name: 'b16x8_cifar10', weights: '20210528-f54bfad9' },
  { depth: 101, name: 'b16x8_cifar10', weights: '20210528-2d29e936' },
  { depth: 152, name: 'b16x8_cifar10', weights: '20210528-3e8e9178' },
];

const onImageNet = ({ depth, name, weights }: Residual): [string, BuiltinConfig] => [
  `resnet/resnet${depth}_${name}.py`,
  {
    bases: [
      `_base_/models/resnet${depth}.py`,
      '_base_/datasets/imagenet_bs32.py',
      '_base_/schedules/imagenet_bs256.py',
      runtime,
    ],
    weights: `${zoo}/resnet/resnet${depth}_${name}_${weights}.pth`,
  },
];
const onCifar = ({ depth, name, weights }: Residual): [string, BuiltinConfig] => [
  `resnet/resnet${depth}_8xb16_cifar10.py`,
  {
    bases: [
      `_base_/models/resnet${depth}_cifar.py`,
      '_base_/datasets/cifar10_bs16.py',
      '_base_/schedules/cifar10_bs128.py',
      runtime,
    ],
    weights: `${zoo}/resnet/resnet${depth}_${name}_${weights}.pth`,
  },
];

const noDecay = { decay_mult: 0 };

export const experiments: BuiltinTable = {
  ...Object.fromEntries([...imagenet.map(onImageNet), ...cifar.map(onCifar)]),
  'mobilenet_v2/mobilenet-v2_8xb32_in1k.py': {
    bases: [
      '_base_/models/mobilenet_v2_1x.py',
      '_base_/datasets/imagenet_bs32_pil_resize.py',
      '_base_/schedules/imagenet_bs256_epochstep.py',
      runtime,
    ],
    weights: `${zoo}/mobilenet_v2/mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth`,
  },
  'shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py': {
    bases: [
      '_base_/models/shufflenet_v2_1x.py',
      '_base_/datasets/imagenet_bs64_pil_resize.py',
      '_base_/schedules/imagenet_bs1024_linearlr_bn_nowd.py',
      runtime,
    ],
    weights: `${zoo}/shufflenet_v2/shufflenet_v2_batch1024_imagenet_20200812-5bf4721e.pth`,
  },
  'deit/deit-small_pt-4xb256_in1k.py': {
    bases: ['_base_/datasets/imagenet_bs64_swin_224.py', '_base_/schedules/imagenet_bs1024_adamw_swin.py', runtime],
    values: {
      model: {
        type: 'ImageClassifier',
        backbone: { type: 'VisionTransformer', arch: 'deit-small', img_size: 224, patch_size: 16 },
        neck: null,
        head: {
          type: 'VisionTransformerClsHead',
          num_classes: 1000,
          in_channels: 384,
          loss: { type: 'LabelSmoothLoss', label_smooth_val: 0.1, mode: 'original' },
        },
        init_cfg: [
          { type: 'TruncNormal', layer: 'Linear', std: 0.02 },
          { type: 'Constant', layer: 'LayerNorm', val: 1, bias: 0 },
        ],
        train_cfg: {
          augments: [
            { type: 'Mixup', alpha: 0.8 },
            { type: 'CutMix', alpha: 1 },
          ],
        },
      },
      train_dataloader: { batch_size: 256 },
      optim_wrapper: {
        paramwise_cfg: {
          norm_decay_mult: 0,
          bias_decay_mult: 0,
          custom_keys: { '.cls_token': noDecay, '.pos_embed': noDecay },
        },
        clip_grad: { max_norm: 5 },
      },
    },
  },
  'deit/deit-base_pt-16xb64_in1k.py': {
    bases: ['deit/deit-small_pt-4xb256_in1k.py'],
    values: {
      model: {
        backbone: { type: 'VisionTransformer', arch: 'deit-base', drop_path_rate: 0.1 },
        head: { type: 'VisionTransformerClsHead', in_channels: 768 },
      },
      train_dataloader: { batch_size: 64 },
      custom_hooks: [{ type: 'EMAHook', momentum: 4e-5, priority: 'ABOVE_NORMAL' }],
    },
  },
};

const wide = (depth: number, factor: number): BuiltinConfig => ({
  bases: ['vanilla/mmcls/wide-resnet/wrn16-w2_b16x8_cifar10.py'],
  values: { model: { backbone: { depth, widen_factor: factor }, head: { in_channels: 64 * factor } } },
});

/** MMRazor's own. */
export const razor: BuiltinTable = {
  '_base_/vanilla_models/wrn16_2_cifar10.py': {
    values: {
      model: {
        _scope_: 'mmcls',
        type: 'ImageClassifier',
        backbone: { _scope_: 'mmrazor', type: 'WideResNet', depth: 16, num_stages: 3, widen_factor: 2 },
        neck: { type: 'GlobalAveragePooling' },
        head: {
          type: 'LinearClsHead',
          num_classes: 10,
          in_channels: 128,
          loss: { type: 'CrossEntropyLoss', loss_weight: 1 },
          topk: [1, 5],
        },
      },
      find_unused_parameters: true,
    },
  },
  'vanilla/mmcls/wide-resnet/wrn16-w2_b16x8_cifar10.py': {
    bases: [
      'mmcls::_base_/datasets/cifar10_bs16.py',
      '_base_/vanilla_models/wrn16_2_cifar10.py',
      'mmcls::_base_/schedules/cifar10_bs128.py',
      `mmcls::${runtime}`,
    ],
    values: { test_evaluator: { topk: [1, 5] } },
  },
  'vanilla/mmcls/wide-resnet/wrn22-w4_b16x8_cifar10.py': wide(22, 4),
  'vanilla/mmcls/wide-resnet/wrn28-w4_b16x8_cifar10.py': wide(28, 4),
  'vanilla/mmcls/wide-resnet/wrn40-w2_b16x8_cifar10.py': wide(40, 2),
};
