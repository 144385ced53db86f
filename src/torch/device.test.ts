// Devices: names, what is asked of one that is not there, and what a tensor without memory shows of moving.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { deviceName, deviceNumbers } from './dtype.ts';
import { autocast, engineInfo, getRandomState, ones, setRandomState, tensor, zeros } from './index.ts';
import { deviceMistake } from '../check.ts';
import { requireDevice } from './index.ts';
import { setData } from './internal.ts';

const all = ['cpu', 'cuda', 'meta'];

describe('names of devices', () => {
  it.each(['cpu', 'cuda', 'cuda:0', 'cuda:1', 'cuda:12', 'meta'])('%s is one', (name) => {
    const [type, index] = deviceNumbers(name)!;
    expect(deviceName(type, index)).toBe(name);
    expect(deviceMistake(name, all)).toBeUndefined();
  });

  it.each([
    ['gpu', 'did you mean "cuda"'],
    ['gpu:1', 'did you mean "cuda:1"'],
    ['cuda1', 'did you mean "cuda:1"'],
    ['CUDA', 'did you mean "cuda"'],
    ['cuda:01', 'did you mean "cuda:1"'],
    ['cuda:-1', '"cuda:-1"'],
    ['cpu:0', '"cpu:0"'],
    ['cqu', 'did you mean "cpu"'],
    ['', 'got ""'],
    [1, 'got 1'],
    [null, 'got null'],
  ])('%o is none', (name, mention) => {
    expect(deviceMistake(name, all)).toContain(mention);
    expect(() => requireDevice(name, 'Trainer: device')).toThrow(
      refusal('invalid-argument', 'Trainer: device', mention),
    );
  });

  it('are refused where an operator or tensor() is given them', () => {
    expect(() => zeros([2], { device: 'gpu' as never })).toThrow(refusal('invalid-argument', 'device', 'gpu', 'cuda'));
    expect(() => ones([2]).to({ device: 'gpu' as never })).toThrow(
      refusal('invalid-argument', 'device', 'gpu', 'cuda'),
    );
    expect(() => tensor([1], { device: 'gpu' as never })).toThrow(refusal('invalid-argument', 'tensor: device', 'gpu'));
  });
});

describe.runIf(engineInfo().cudaDevices === 0)('CUDA where there is none', () => {
  it.each([
    ['tensor', () => tensor([1], { device: 'cuda' })],
    ['zeros', () => zeros([1], { device: 'cuda:1' })],
    ['to', () => ones([1]).to({ device: 'cuda' })],
    ['autocast', () => autocast(() => 1, 'float16', 'cuda')],
    ['getRandomState', () => getRandomState('cuda')],
    ['setRandomState', () => setRandomState(getRandomState(), 'cuda')],
  ])('%s says so, and what to do', (_, attempt) => {
    expect(attempt).toThrow(refusal('unsupported', 'cuda', 'CUDA'));
  });
});

describe.runIf(engineInfo().cudaDevices > 0)('CUDA where it is', () => {
  it('a device that is missing is named with those that are there', () => {
    expect(() => ones([1], { device: 'cuda:99' })).toThrow(refusal('invalid-argument', 'cuda:99', 'cuda:0'));
    expect(tensor([1], { device: 'cuda' }).device).toBe('cuda:0');
  });
});

describe('a tensor without memory', () => {
  it('is made of values, and by any creation function', () => {
    const x = tensor([[1, 2]], { device: 'meta', dtype: 'int64', requiresGrad: false });
    expect([x.device, x.shape, x.dtype]).toEqual(['meta', [1, 2], 'int64']);
    expect(zeros([3], { device: 'meta' }).device).toBe('meta');
    expect(() => x.data()).toThrow(refusal('engine', 'meta'));
    expect(() => ones([1], { device: 'meta' }).item()).toThrow(refusal('engine', 'meta'));
  });

  it('takes the place of one with memory, and back: the object stays, a leaf that requires gradients', () => {
    const x = ones([2]).requiresGrad_();
    setData(x, ones([2], { device: 'meta' }));
    expect([x.device, x.requiresGrad, x.isLeaf]).toEqual(['meta', true, true]);
    x.mul(2).sum().backward();
    expect(x.grad!.device).toBe('meta');
    x.grad = null;
    setData(x, tensor([3, 4]));
    x.square().sum().backward();
    expect(x.grad!.toArray()).toEqual([6, 8]);
  });
});
