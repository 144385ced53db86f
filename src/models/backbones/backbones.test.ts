// Every backbone runs the contract.
import { describe } from 'vitest';

import { describeBackbone } from '../models.contract.ts';
import type { BackboneContract } from '../models.contract.ts';

const narrow = { stemChannels: 4, baseChannels: 4 };
const tiny = { arch: { embedDims: 8, numLayers: 2, numHeads: 2, feedforwardChannels: 12 }, imgSize: 16, patchSize: 8 };
const frozen = ['conv1.weight', 'layer2.0.conv1.weight'] as const;

const contracts: [type: string, contract: BackboneContract][] = [
  [
    'ResNet',
    {
      options: { depth: 18, ...narrow, outIndices: [0, 3] },
      input: [2, 3, 48, 48],
      shapes: [
        [2, 4, 12, 12],
        [2, 32, 2, 2],
      ],
      names: [
        'conv1.weight',
        'bn1.running_mean',
        'layer1.0.conv1.weight',
        'layer2.0.downsample.1.weight',
        'layer4.1.bn2.bias',
      ],
      frozen,
    },
  ],
  [
    'ResNet_CIFAR',
    {
      options: { depth: 50, ...narrow, numStages: 2, style: 'caffe' },
      input: [2, 3, 16, 16],
      shapes: [[2, 32, 8, 8]],
      names: [
        'conv1.weight',
        'layer1.0.downsample.0.weight',
        'layer2.3.conv3.weight',
        'layer2.3.bn3.num_batches_tracked',
      ],
      frozen,
    },
  ],
  [
    'ResNetV1c',
    {
      options: { depth: 18, ...narrow, numStages: 2 },
      input: [2, 3, 32, 32],
      shapes: [[2, 8, 4, 4]],
      names: ['stem.0.conv.weight', 'stem.2.bn.weight', 'layer2.0.downsample.0.weight'],
      frozen: ['stem.0.conv.weight', 'layer2.0.conv1.weight'],
    },
  ],
  [
    'ResNetV1d',
    {
      options: { depth: 18, ...narrow, numStages: 2 },
      input: [2, 3, 32, 32],
      shapes: [[2, 8, 4, 4]],
      names: ['stem.1.conv.weight', 'layer2.0.downsample.1.weight', 'layer2.0.downsample.2.weight'],
    },
  ],
  [
    'ResNeXt',
    {
      options: { depth: 50, groups: 2, widthPerGroup: 2, ...narrow, numStages: 2 },
      input: [2, 3, 32, 32],
      shapes: [[2, 32, 4, 4]],
      names: ['layer1.0.conv2.weight', 'layer2.3.conv3.weight'],
      frozen,
    },
  ],
  [
    'SEResNet',
    {
      options: { depth: 18, seRatio: 2, ...narrow, numStages: 2 },
      input: [2, 3, 32, 32],
      shapes: [[2, 8, 4, 4]],
      names: ['layer1.0.se_layer.conv1.conv.weight', 'layer2.1.se_layer.conv2.conv.bias'],
      frozen,
    },
  ],
  [
    'SEResNeXt',
    {
      options: { depth: 50, groups: 2, widthPerGroup: 2, seRatio: 4, ...narrow, numStages: 2 },
      input: [2, 3, 32, 32],
      shapes: [[2, 32, 4, 4]],
      names: ['layer1.0.conv2.weight', 'layer2.3.conv3.weight', 'layer2.3.se_layer.conv1.conv.weight'],
      frozen,
    },
  ],
  [
    'WideResNet',
    {
      options: { depth: 10, widenFactor: 2, ...narrow },
      input: [2, 3, 16, 16],
      shapes: [[2, 32, 4, 4]],
      names: [
        'conv1.weight',
        'bn1.weight',
        'layer1.0.bn1.weight',
        'layer2.0.downsample.weight',
        'layer3.0.conv2.weight',
      ],
      frozen,
    },
  ],
  [
    'MobileNetV2',
    {
      options: { widenFactor: 0.1, outIndices: [1, 7] },
      input: [2, 3, 64, 64],
      shapes: [
        [2, 8, 16, 16],
        [2, 1280, 2, 2],
      ],
      names: ['conv1.conv.weight', 'layer1.0.conv.0.conv.weight', 'layer2.0.conv.2.bn.weight', 'conv2.conv.weight'],
      frozen: ['conv1.conv.weight', 'layer2.0.conv.0.conv.weight'],
    },
  ],
  [
    'ShuffleNetV2',
    {
      options: { widenFactor: 0.5, outIndices: [0, 3] },
      input: [2, 3, 64, 64],
      shapes: [
        [2, 48, 8, 8],
        [2, 1024, 2, 2],
      ],
      names: [
        'conv1.conv.weight',
        'layers.0.0.branch1.0.conv.weight',
        'layers.1.7.branch2.2.bn.bias',
        'layers.3.conv.weight',
      ],
      frozen: ['conv1.conv.weight', 'layers.1.0.branch1.0.conv.weight'],
    },
  ],
  [
    'RegNet',
    {
      options: { arch: { w0: 8, wa: 6, wm: 2, groupW: 4, depth: 7 }, stemChannels: 4, outIndices: [0, 2] },
      input: [2, 3, 32, 32],
      shapes: [
        [2, 8, 8, 8],
        [2, 32, 2, 2],
      ],
      names: ['conv1.weight', 'layer1.0.bn2.weight', 'layer3.0.downsample.0.weight'],
      frozen,
    },
  ],
  [
    'MobileNetV3',
    {
      options: { arch: 'small_050', outIndices: [0, 3, 12] },
      input: [2, 3, 64, 64],
      shapes: [
        [2, 16, 32, 32],
        [2, 16, 8, 8],
        [2, 288, 2, 2],
      ],
      names: [
        'layer0.conv.weight',
        'layer1.depthwise_conv.bn.weight',
        'layer1.se.conv1.conv.bias',
        'layer2.expand_conv.conv.weight',
        'layer11.linear_conv.bn.running_mean',
        'layer12.conv.weight',
      ],
      frozen: ['layer0.conv.weight', 'layer2.expand_conv.conv.weight'],
    },
  ],
  [
    'EfficientNet',
    {
      options: { arch: 'b0', dropPathRate: 0, outIndices: [0, 4, 6] },
      input: [2, 3, 32, 32],
      shapes: [
        [2, 32, 16, 16],
        [2, 112, 2, 2],
        [2, 1280, 1, 1],
      ],
      names: [
        'layers.0.conv.weight',
        'layers.1.0.depthwise_conv.conv.weight',
        'layers.4.3.expand_conv.conv.weight',
        'layers.5.4.se.conv2.conv.bias',
        'layers.6.bn.weight',
      ],
      frozen: ['layers.0.conv.weight', 'layers.2.0.expand_conv.conv.weight'],
    },
  ],
  [
    'VGG',
    {
      options: { depth: 11, normCfg: { type: 'BN' }, numStages: 3, outIndices: [0, 2] },
      input: [2, 3, 16, 16],
      shapes: [
        [2, 64, 8, 8],
        [2, 256, 2, 2],
      ],
      names: ['features.0.conv.weight', 'features.2.bn.weight', 'features.5.conv.bias'],
      frozen: ['features.0.conv.weight', 'features.2.conv.weight'],
    },
  ],
  [
    'DenseNet',
    {
      options: { arch: { growthRate: 4, depths: [2, 3], initChannels: 8 }, outIndices: [0, -1] },
      input: [2, 3, 32, 32],
      shapes: [
        [2, 8, 4, 4],
        [2, 20, 4, 4],
      ],
      names: [
        'stem.0.weight',
        'stages.0.block.1.norm1.weight',
        'stages.1.block.2.conv2.weight',
        'transitions.0.conv.weight',
        'transitions.1.0.running_mean',
      ],
      frozen: ['stem.0.weight', 'stages.1.block.0.conv1.weight'],
    },
  ],
  [
    'VisionTransformer',
    {
      options: { ...tiny, outIndices: [0, 1] },
      input: [2, 3, 24, 16],
      shapes: [
        [2, 8, 3, 2],
        [2, 8],
        [2, 8, 3, 2],
        [2, 8],
      ],
      names: [
        'cls_token',
        'pos_embed',
        'patch_embed.projection.weight',
        'layers.0.attn.qkv.bias',
        'layers.1.ln2.weight',
        'ln1.bias',
      ],
    },
  ],
  [
    'DistilledVisionTransformer',
    {
      options: tiny,
      input: [2, 3, 16, 16],
      shapes: [
        [2, 8, 2, 2],
        [2, 8],
        [2, 8],
      ],
      names: [
        'cls_token',
        'dist_token',
        'layers.0.ffn.layers.0.0.weight',
        'layers.0.ffn.layers.1.weight',
        'layers.0.attn.proj.weight',
      ],
    },
  ],
  [
    'ConvNeXt',
    {
      options: { arch: { depths: [1, 2], channels: [4, 8] }, outIndices: [0, -1], useGrn: true },
      input: [2, 3, 24, 16],
      shapes: [
        [2, 4],
        [2, 8],
      ],
      names: [
        'downsample_layers.0.0.weight',
        'downsample_layers.1.1.bias',
        'stages.1.1.depthwise_conv.weight',
        'stages.0.0.pointwise_conv2.bias',
        'stages.0.0.grn.gamma',
        'stages.0.0.gamma',
        'norm0.weight',
        'norm1.bias',
      ],
    },
  ],
  [
    'SwinTransformer',
    {
      options: {
        arch: { embedDims: 4, depths: [2, 1, 1], numHeads: [1, 2, 2] },
        windowSize: 2,
        imgSize: [28, 24],
        outIndices: [0, 2],
        useAbsPosEmbed: true,
      },
      input: [2, 3, 28, 24],
      shapes: [
        [2, 4, 7, 6],
        [2, 16, 2, 2],
      ],
      names: [
        'patch_embed.norm.weight',
        'absolute_pos_embed',
        'stages.0.blocks.1.attn.w_msa.relative_position_bias_table',
        'stages.0.blocks.1.attn.w_msa.relative_position_index',
        'stages.0.blocks.0.ffn.layers.0.0.weight',
        'stages.0.downsample.reduction.weight',
        'stages.1.blocks.0.attn.w_msa.proj.bias',
        'norm0.weight',
        'norm2.bias',
      ],
      frozen: ['patch_embed.projection.weight', 'norm2.weight'],
    },
  ],
  [
    'TinyViT',
    {
      options: {
        arch: { channels: [4, 8], numHeads: [1, 2], depths: [1, 2] },
        windowSize: [2, 3],
        outIndices: [0, 1],
        gapBeforeFinalNorm: false,
      },
      input: [2, 3, 32, 24],
      shapes: [
        [2, 8, 4, 3],
        [2, 8, 4, 3],
      ],
      names: [
        'patch_embed.seq.0.conv2d.weight',
        'stages.0.blocks.0.conv3.bn2d.running_mean',
        'stages.0.downsample.conv2.conv2d.weight',
        'stages.1.blocks.1.attn.attention_biases',
        'stages.1.blocks.0.mlp.norm.bias',
        'stages.1.blocks.0.local_conv.bn2d.weight',
        'norm1.weight',
      ],
    },
  ],
  [
    'TIMMBackbone',
    {
      options: { modelName: 'regnety_002', featuresOnly: true },
      input: [2, 3, 32, 32],
      shapes: [
        [2, 32, 16, 16],
        [2, 24, 8, 8],
        [2, 56, 4, 4],
        [2, 152, 2, 2],
        [2, 368, 1, 1],
      ],
      names: [
        'timm_model.stem.conv.weight',
        'timm_model.s1.b1.conv1.bn.weight',
        'timm_model.s2.b1.downsample.conv.weight',
        'timm_model.s3.b4.se.fc1.bias',
        'timm_model.s4.b7.conv3.bn.running_var',
      ],
    },
  ],
];

describe.each(contracts)('%s', (type, contract) => {
  describeBackbone(type, contract);
});
