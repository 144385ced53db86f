// Files of weights as others: names there and back, what is dropped, half, and what is refused.
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { loadTensors, saveTensors } from '../nn/index.ts';
import { manualSeed, ops, tensor, tidy } from '../torch/index.ts';
import { buildModel, convertWeights } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'retort-convert-'));
const path = (name: string): string => join(folder, `${name}.safetensors`);
manualSeed(0);
const network = buildModel({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet', depth: 18, baseChannels: 4, stemChannels: 4 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 3, inChannels: 32 },
});
tidy(() => saveTensors(path('ours'), network.stateDict(), { epoch: '3' }));

const valuesOf = (file: string): unknown =>
  tidy(() => Object.entries(loadTensors(file).tensors).map(([name, value]) => [name, value.shape, value.sum().item()]));

describe('convertWeights', () => {
  it.each(['torchvision', 'timm', 'huggingface'] as const)('to %s and back', (to) => {
    const there = convertWeights(path('ours'), path(to), { to });
    expect(there).toMatchObject({ convention: 'retort', format: 'safetensors', dropped: [] });
    const back = convertWeights(path(to), path(`${to}-back`));
    expect(back.family).toBe('ResNet');
    expect(back.tensors).toBe(there.tensors);
    expect(valuesOf(path(`${to}-back`))).toEqual(valuesOf(path('ours')));
    expect(tidy(() => loadTensors(path(to)).metadata)).toMatchObject({ epoch: '3' });
    expect(there.lines.join('\n')).toContain(path(to));
  });

  it('takes the student of a run, one network of a distillation, half the bytes', () => {
    const run = join(folder, 'run');
    mkdirSync(join(run, 'second'), { recursive: true });
    tidy(() => {
      const own = Object.entries(network.stateDict());
      const whole = [
        ...own.map(([name, value]) => [`architecture.${name}`, value] as const),
        ...own.map(([name, value]) => [`teacher.${name}`, value.to('float64')] as const),
      ];
      saveTensors(path('whole'), Object.fromEntries(whole));
      saveTensors(join(run, 'second', 'student.safetensors'), network.stateDict());
    });
    expect(() => convertWeights(run, path('student'))).toThrow(refusal('invalid-argument', join(run, 'second')));
    expect(convertWeights(join(run, 'second'), path('student')).from).toBe(join(run, 'second', 'student.safetensors'));
    const dtype = (file: string): string => tidy(() => loadTensors(file).tensors['backbone.conv1.weight']!.dtype);
    const first = convertWeights(path('whole'), path('first'));
    expect(first.dropped).toHaveLength(first.tensors);
    expect(first.dropped.every((name) => name.startsWith('teacher.'))).toBe(true);
    expect(dtype(path('first'))).toBe('float32');
    convertWeights(path('whole'), path('teacher'), { part: 'teacher' });
    expect(dtype(path('teacher'))).toBe('float64');
    expect(convertWeights(path('whole'), path('half'), { half: true }).lines.at(-1)).toContain('float16');
    expect(dtype(path('half'))).toBe('float16');
    expect(tidy(() => loadTensors(path('half')).tensors['backbone.bn1.num_batches_tracked']!.dtype)).toBe('int64');
  });

  it('says whose names they were: a package for torchvision-like networks has its own', () => {
    const blocks = Array.from({ length: 16 }, (_, i) => [`_blocks.${i}._depthwise_conv.weight`, [4, 1, 3, 3]] as const);
    tidy(() =>
      saveTensors(path('package'), Object.fromEntries(blocks.map(([name, shape]) => [name, ops.ones(shape)]))),
    );
    const { lines } = convertWeights(path('package'), path('package-torchvision'), { to: 'torchvision' });
    expect(lines[1]).toMatch(/efficientnet-pytorch, EfficientNet, written as torchvision's$/);
    const again = convertWeights(path('package-torchvision'), path('package-again'), { to: 'torchvision' });
    expect(again.lines[1]).toMatch(/torchvision, EfficientNet$/);
  });

  it('keeps names that nothing knows, where ours are asked for', () => {
    tidy(() => saveTensors(path('strange'), { 'a.b': ops.ones([2]) }));
    const report = convertWeights(path('strange'), path('kept'));
    expect(report.convention).toBeUndefined();
    expect(report.lines.join()).toContain('kept');
    expect(valuesOf(path('kept'))).toEqual([['a.b', [2], 2]]);
    expect(() => convertWeights(path('strange'), path('timm-of-strange'), { to: 'timm' })).toThrow(
      refusal('mismatch', 'a.b', 'timm (ResNet, '),
    );
  });

  it('refuses to replace a file, formats and names it does not know, folders that are not there', () => {
    writeFileSync(path('mine'), 'mine');
    expect(() => convertWeights(path('ours'), path('mine'))).toThrow(
      refusal('invalid-argument', path('mine'), '--force'),
    );
    expect(convertWeights(path('ours'), path('mine'), { force: true }).tensors).toBeGreaterThan(0);
    expect(() => convertWeights(path('ours'), join(folder, 'a.bin'))).toThrow(
      refusal('unsupported', 'a.bin', '.safetensors'),
    );
    expect(() => convertWeights(path('ours'), join(folder, 'no', 'a.safetensors'))).toThrow(refusal('not-found', 'no'));
    expect(() => convertWeights(path('lost'), path('new'))).toThrow(refusal('not-found', 'lost'));
    const options = { to: 'tim' as 'timm' };
    expect(() => convertWeights(path('ours'), path('new'), options)).toThrow(refusal('unknown-name', 'tim', 'timm'));
  });

  it('passes over objects of unknown classes where that is asked for', () => {
    const foreign = fileURLToPath(new URL('../formats/fixtures/foreign.pth', import.meta.url));
    expect(() => convertWeights(foreign, path('foreign'))).toThrow(refusal('pickle', 'ChainMap', '--skip-unknown'));
    expect(existsSync(path('foreign'))).toBe(false);
    expect(convertWeights(foreign, path('foreign'), { skipUnknown: true }).tensors).toBe(1);
  });

  it('refuses numbers that half a float does not have, and writes nothing', () => {
    tidy(() => saveTensors(path('large'), { 'a.running_var': tensor([1e6, 1]), b: tensor([Infinity]) }));
    expect(() => convertWeights(path('large'), path('large-half'), { half: true })).toThrow(
      refusal('unsupported', 'a.running_var', 65504),
    );
    expect(existsSync(path('large-half'))).toBe(false);
  });
});
