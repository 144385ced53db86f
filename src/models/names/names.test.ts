// Names of other libraries: read both ways, told by names and shapes, refused where they are ambiguous or unknown.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildModel } from '../index.ts';
import { toOurNames, toTheirNames } from './index.ts';
import { compileTable } from './table.ts';

type State = Record<string, Tensor>;

const classifier = (backbone: { type: string; [option: string]: unknown }, inChannels: number, numClasses = 10) => ({
  type: 'ImageClassifier',
  backbone,
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses, inChannels },
});
const resnet = (numClasses = 10, width = 4) =>
  classifier({ type: 'ResNet', depth: 18, baseChannels: width, stemChannels: width }, 8 * width, numClasses);

const prefixed = (prefix: string, state: State): State =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [prefix + name, value]));

describe('patterns', () => {
  const { fromTheirs, fromOurs } = compileTable({
    family: 'Example',
    convention: 'timm',
    pairs: [
      ['backbone.layer{i+1}.{j}.{*}', 'stage{i}.stage{i}-{j+2}.{*}'],
      ['backbone.qkv{i}.weight', ['q{i}.w', 'k{i}.w']],
    ],
    ignored: ['index{i}'],
  });

  it('have numbers, numbers moved by a constant, and rests', () => {
    expect(fromTheirs('stage0.stage0-2.conv1.weight')?.ours).toBe('backbone.layer1.0.conv1.weight');
    expect(fromOurs('backbone.layer12.3.a.b')?.theirs).toEqual(['stage11.stage11-5.a.b']);
    expect(fromTheirs('stage0.stage1-2.weight')).toBeUndefined();
    expect(fromTheirs('stage0.stage0-1.weight')).toBeUndefined();
    expect(fromOurs('backbone.layer0.0.a')).toBeUndefined();
    expect(fromTheirs('stage0.stage0-2.')).toBeUndefined();
    expect(fromTheirs('index7')).toBeNull();
    expect(fromTheirs('k4.w')).toEqual({ ours: 'backbone.qkv4.weight', theirs: ['q4.w', 'k4.w'], change: undefined });
  });
});

describe('toOurNames', () => {
  it('knows its own names, a backbone alone, wrappers, and names of others', () => {
    tidy(() => {
      const network = buildModel(resnet());
      const own = network.stateDict();
      const theirs = toTheirNames(own, 'torchvision').state;
      expect(Object.keys(theirs)).toContain('layer2.0.downsample.0.weight');
      const huggingFace = toTheirNames(own, 'huggingface');
      expect(huggingFace.family).toBe('ResNet');
      expect(Object.keys(huggingFace.state)).toContain('resnet.encoder.stages.1.layers.0.shortcut.convolution.weight');
      const readings: [State, string, string][] = [
        [own, 'retort', ''],
        [prefixed('module.', own), 'retort', 'module.'],
        [prefixed('_orig_mod.module.', theirs), 'torchvision', '_orig_mod.module.'],
        [theirs, 'torchvision', ''],
        [huggingFace.state, 'huggingface', ''],
      ];
      for (const [state, convention, prefix] of readings) {
        for (const found of [toOurNames(state, network), toOurNames(state)]) {
          expect([found.convention, found.prefix]).toEqual([convention, prefix]);
          expect(Object.keys(found.state).toSorted()).toEqual(Object.keys(own).toSorted());
          expect(found.unknown).toEqual([]);
          expect(found.state['head.fc.bias']).toBe(own['head.fc.bias']);
        }
      }
    });
  });

  it('reads a backbone for a network, and a network for a backbone', () => {
    tidy(() => {
      const network = buildModel(resnet());
      const backbone = (network as unknown as { backbone: typeof network }).backbone;
      const own = network.stateDict();
      const inside = toOurNames(backbone.stateDict(), network).state;
      expect(Object.keys(own).filter((name) => !Object.hasOwn(inside, name))).toEqual([
        'head.fc.weight',
        'head.fc.bias',
      ]);
      for (const state of [own, toTheirNames(own, 'huggingface').state]) {
        expect(Object.keys(toOurNames(state, backbone).state).toSorted()).toEqual(
          Object.keys(backbone.stateDict()).toSorted(),
        );
      }
    });
  });

  it('takes one network of a checkpoint of a whole distillation', () => {
    tidy(() => {
      const student = buildModel(resnet());
      const teacher = buildModel(resnet(10, 8));
      const whole: State = {
        ...prefixed('architecture.', student.stateDict()),
        ...prefixed('teacher.', teacher.stateDict()),
        'distiller.connectors.align.weight': ops.zeros([2]),
      };
      expect(toOurNames(whole).prefix).toBe('architecture.');
      expect(toOurNames(whole, student).prefix).toBe('architecture.');
      expect(toOurNames(whole, teacher).prefix).toBe('teacher.');
      expect(toOurNames(whole, teacher, { part: 'student' }).prefix).toBe('architecture.');
      expect(toOurNames(whole, undefined, { part: 'teacher' }).prefix).toBe('teacher.');
      expect(toOurNames(whole, student).others).toContain('distiller.connectors.align.weight');
      const twins = { ...prefixed('teacher.', student.stateDict()), ...prefixed('architecture.', student.stateDict()) };
      expect(toOurNames(twins, student).prefix).toBe('architecture.');
      expect(toOurNames(twins, student, { preferred: 'teacher' }).prefix).toBe('teacher.');
    });
  });

  it('tells by shapes, where there is a network', () => {
    tidy(() => {
      const network = buildModel(resnet());
      const other = buildModel(resnet(100));
      const found = toOurNames(toTheirNames(other.stateDict(), 'torchvision').state, network);
      expect(found.convention).toBe('torchvision');
      expect(found.state['head.fc.bias']?.shape).toEqual([100]);
    });
  });

  it('stacks and splits what is one tensor here', () => {
    tidy(() => {
      const vit = buildModel({
        type: 'ImageClassifier',
        backbone: {
          type: 'VisionTransformer',
          arch: { embedDims: 8, numLayers: 2, numHeads: 2, feedforwardChannels: 16 },
        },
        head: { type: 'VisionTransformerClsHead', numClasses: 3, inChannels: 8 },
      });
      const own = vit.stateDict();
      const { state } = toTheirNames(own, 'huggingface');
      const key = state['vit.encoder.layer.1.attention.attention.key.weight'];
      expect(key).toBeAllClose(own['backbone.layers.1.attn.qkv.weight']!.narrow(0, 8, 8));
      const back = toOurNames(state, vit).state;
      expect(back['backbone.layers.1.attn.qkv.weight']).toBeAllClose(own['backbone.layers.1.attn.qkv.weight']!);
      const { 'vit.encoder.layer.1.attention.attention.key.weight': _key, ...without } = state;
      expect(toOurNames(without, vit).unknown).toContain('vit.encoder.layer.1.attention.attention.query.weight');
      expect(Object.keys(toOurNames(without, vit).state)).not.toContain('backbone.layers.1.attn.qkv.weight');
    });
  });

  it('refuses names that nothing knows, or that several read in different ways', () => {
    tidy(() => {
      expect(() => toOurNames({ 'encoder.a': ops.zeros([1]) })).toThrow(
        refusal('mismatch', 'encoder.a', 'torchvision'),
      );
      expect(() => toOurNames({ 'conv1.weight': ops.zeros([4, 3, 3, 3]), 'bn9.weight': ops.zeros([4]) })).toThrow(
        refusal('mismatch', 'bn9.weight', 'ResNet'),
      );
      expect(() => toOurNames({ 'fc.weight': ops.zeros([4, 3]), 'norm.weight': ops.zeros([4]) })).toThrow(
        refusal('mismatch', 'fc.weight'),
      );
      expect(() => toOurNames({})).toThrow(refusal('mismatch'));
    });
  });
});

describe('toTheirNames', () => {
  it('tells families apart that have the same names here', () => {
    tidy(() => {
      const regnet = buildModel(classifier({ type: 'RegNet', arch: 'regnetx_400mf' }, 384));
      const { state, family } = toTheirNames(regnet.stateDict(), 'timm');
      expect(family).toBe('RegNet');
      expect(Object.keys(state)).toContain('s2.b2.conv3.bn.running_mean');
      expect(toOurNames(state, regnet).unknown).toEqual([]);
      const wide = buildModel(classifier({ type: 'WideResNet', depth: 10, widenFactor: 2 }, 128));
      expect(() => toTheirNames(wide.stateDict(), 'torchvision')).toThrow(refusal('unsupported', 'torchvision'));
    });
  });

  it('refuses what the library has no name for', () => {
    tidy(() => {
      const state = { ...buildModel(resnet()).stateDict(), 'head.connector.weight': ops.zeros([1]) };
      expect(() => toTheirNames(state, 'torchvision')).toThrow(
        refusal('unsupported', 'torchvision', 'head.connector.weight', 'ResNet'),
      );
      expect(() => toTheirNames({}, 'timm')).toThrow(refusal('unsupported', 'timm'));
    });
  });
});
