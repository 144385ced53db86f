// Weights of files from other libraries: what is taken, what is reported, what a teacher is refused for.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { initialWeights, saveModule, saveTensors } from '../nn/index.ts';
import { manualSeed, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { buildBackbone, buildModel, loadNetwork, toTheirNames, weightsReports } from './index.ts';

beforeEach(() => manualSeed(0));

const folder = mkdtempSync(join(tmpdir(), 'retort-weights-'));
const backbone = { type: 'ResNet', depth: 18, baseChannels: 4, stemChannels: 4 };
const network = (numClasses = 10, more: object = {}) =>
  buildModel({
    type: 'ImageClassifier',
    backbone,
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses, inChannels: 32 },
    ...more,
  });
const vit = (imgSize: number, numClasses = 3) =>
  buildModel({
    type: 'ImageClassifier',
    backbone: {
      ...{ type: 'VisionTransformer', imgSize, patchSize: 8 },
      arch: { embedDims: 8, numLayers: 1, numHeads: 2, feedforwardChannels: 16 },
    },
    head: { type: 'VisionTransformerClsHead', numClasses, inChannels: 8 },
  });

type State = Record<string, Tensor>;
/** Writes what `change` makes of a state dict, and returns the path. */
function written(name: string, from: ReturnType<typeof network>, change: (state: State) => State): string {
  const path = join(folder, `${name}.safetensors`);
  tidy(() => saveTensors(path, change(from.stateDict())));
  return path;
}
const without = (state: State, pattern: RegExp): State =>
  Object.fromEntries(Object.entries(state).filter(([name]) => !pattern.test(name)));
const conv = (net: object): Tensor => (net as { backbone: { conv1: { weight: Tensor } } }).backbone.conv1.weight;

const source = network();
const theirs = written('torchvision', source, (state) => toTheirNames(state, 'torchvision').state);

describe('loadNetwork', () => {
  it('takes a file of another library, and says so', () => {
    const net = network();
    const report = loadNetwork(theirs, net);
    expect(conv(net)).toBeAllClose(conv(source));
    expect(report).toMatchObject({ convention: 'torchvision', format: 'safetensors', file: theirs });
    expect(report).toMatchObject({ matched: report.total, missing: [], unexpected: [], reshaped: [], left: [] });
    expect(report.text).toContain("torchvision's names");
    expect(weightsReports(net)).toEqual([{ path: '', report }]);
    expect(initialWeights(net)).toEqual([]);
  });

  it('a file without num_batches_tracked is whole; one without running means is not', () => {
    const old = written('old', source, (state) => without(state, /num_batches_tracked/));
    const report = loadNetwork(old, network());
    expect(report.matched).toBe(report.total);
    const lacking = written('lacking', source, (state) => without(state, /layer1\.0\.bn1\.running_mean/));
    expect(() => loadNetwork(lacking, network())).toThrow(
      refusal('mismatch', lacking, 'missing', 'backbone.layer1.0.bn1.running_mean'),
    );
    const net = network();
    expect(loadNetwork(lacking, net, { strict: false }).missing).toEqual(['backbone.layer1.0.bn1.running_mean']);
    expect(initialWeights(net)).toEqual(['backbone.layer1.0.bn1.running_mean']);
  });

  it('a head for other classes is refused for a teacher, and left as it was otherwise', () => {
    const net = network(4);
    const before = tidy(() => net.stateDict()['head.fc.weight']!.toArray());
    expect(() => loadNetwork(theirs, net, { role: 'teacher' })).toThrow(
      refusal('mismatch', 'for 10 classes', 'for 4', 'teaches nothing'),
    );
    expect(() => loadNetwork(theirs, net)).toThrow(refusal('mismatch', 'for 10 classes', 'for 4', '{ strict: false }'));
    const report = loadNetwork(theirs, net, { strict: false });
    expect(report.left.map(({ name }) => name)).toEqual(['head.fc.weight', 'head.fc.bias']);
    expect(report.text).toContain('head.fc: 4 classes here, 10 in the file: left at its initial values');
    expect(tidy(() => net.stateDict()['head.fc.weight']!.toArray())).toEqual(before);
    expect(initialWeights(net)).toEqual(['head']);
    expect(conv(net)).toBeAllClose(conv(source));
  });

  it('takes the network that fits from a checkpoint of a whole distillation', () => {
    const whole = written('whole', source, (state) => {
      const other = network(10, {
        backbone: { ...backbone, baseChannels: 8 },
        head: { type: 'LinearClsHead', numClasses: 10, inChannels: 64 },
      });
      const prefixed = (prefix: string, one: State): State =>
        Object.fromEntries(Object.entries(one).map(([name, value]) => [prefix + name, value]));
      return { ...prefixed('architecture.', other.stateDict()), ...prefixed('teacher.', state) };
    });
    const net = network();
    expect(loadNetwork(whole, net, { role: 'teacher' }).text).toContain('under "teacher."');
    expect(conv(net)).toBeAllClose(conv(source));
    expect(() => loadNetwork(whole, network(), { part: 'student' })).toThrow(refusal('mismatch', 'of width 8'));
  });

  it('interpolates position embeddings of another resolution, and says so', () => {
    const big = vit(32);
    const path = written('vit', big, (state) => toTheirNames(state, 'huggingface').state);
    const small = vit(16);
    const { reshaped, text } = loadNetwork(path, small);
    expect(reshaped).toEqual([{ name: 'backbone.pos_embed', file: [1, 17, 8], network: [1, 5, 8] }]);
    expect(text).toContain('backbone.pos_embed');
    expect(loadNetwork(path, vit(32)).reshaped).toEqual([]);
  });

  it('refuses files of nothing that is here, whether strict or not', () => {
    const path = join(folder, 'other.safetensors');
    saveModule(
      path,
      buildModel({
        type: 'ImageClassifier',
        backbone: { type: 'MobileNetV2', widenFactor: 0.25 },
        neck: { type: 'GlobalAveragePooling' },
        head: { type: 'LinearClsHead', numClasses: 3, inChannels: 1280 },
      }),
    );
    for (const strict of [true, false]) {
      expect(() => loadNetwork(path, network(), { strict })).toThrow(refusal('mismatch', 'MobileNetV2', 'ResNet-18'));
    }
  });
});

describe('pretrained', () => {
  it('fills what fits and reports the rest', () => {
    const net = network(4, { pretrained: theirs });
    const [{ path, report } = { path: '?', report: undefined }] = weightsReports(net);
    expect(path).toBe('');
    expect(report).toMatchObject({ convention: 'torchvision', unexpected: [] });
    expect(report!.left).toHaveLength(2);
    expect(conv(net)).toBeAllClose(conv(source));
  });

  it('of a backbone takes a whole network, by our prefix whatever the names', () => {
    for (const prefix of ['', 'backbone.']) {
      const made = buildBackbone({ ...backbone, initCfg: { type: 'Pretrained', checkpoint: theirs, prefix } });
      const [{ report } = { report: undefined }] = weightsReports(made);
      expect(report).toMatchObject({ convention: prefix === '' ? 'retort' : 'torchvision', missing: [] });
      expect((made as unknown as { conv1: { weight: Tensor } }).conv1.weight).toBeAllClose(conv(source));
    }
  });
});

it('takes a ResNeXt whose blocks are as wide inside as outside for what it is', () => {
  const wide = () =>
    network(10, {
      backbone: { ...{ type: 'ResNeXt', depth: 50, groups: 4, widthPerGroup: 4 }, baseChannels: 4, stemChannels: 4 },
      head: { type: 'LinearClsHead', numClasses: 10, inChannels: 128 },
    });
  const from = wide();
  const state = tidy(() =>
    Object.fromEntries(Object.entries(from.stateDict()).map(([name, { shape }]) => [name, shape])),
  );
  expect(state['backbone.layer1.0.conv1.weight']![0]).toBe(state['backbone.layer1.0.conv3.weight']![0]);
  const path = written('wide', from, (own) => toTheirNames(own, 'torchvision').state);
  const report = loadNetwork(path, wide());
  expect(report).toMatchObject({ convention: 'torchvision', matched: report.total, missing: [], unexpected: [] });
});

it("refuses torchvision's EfficientNet for one that pads otherwise, and says which options it wants", () => {
  const net = (options: object) =>
    network(3, {
      backbone: { type: 'EfficientNet', arch: 'b0', ...options },
      head: { type: 'LinearClsHead', numClasses: 3, inChannels: 1280 },
    });
  const symmetric = { convCfg: null, normCfg: { type: 'BN' } };
  const path = written('efficientnet', net(symmetric), (own) => toTheirNames(own, 'torchvision').state);
  expect(() => loadNetwork(path, net({}))).toThrow(refusal('mismatch', 'convCfg: null', path));
  expect(loadNetwork(path, net({}), { strict: false }).text).toContain('convCfg: null');
  expect(loadNetwork(path, net(symmetric)).text).not.toContain('convCfg');
});

it('leaves the head of a VGG of another number of classes as it is, where that is allowed', () => {
  const vgg = (numClasses: number) =>
    network(numClasses, {
      backbone: { type: 'VGG', depth: 11, numClasses },
      neck: null,
      head: { type: 'ClsHead' },
    });
  const path = written('vgg', vgg(20), (own) => own);
  expect(loadNetwork(path, vgg(10), { strict: false }).left.map(({ name }) => name)).toEqual([
    'backbone.classifier.6.weight',
    'backbone.classifier.6.bias',
  ]);
});
