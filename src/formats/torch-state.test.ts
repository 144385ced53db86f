// Where the weights are in what programs save: the entry that is taken, those that are named, names that are put together.
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { failFor } from './format-error.ts';
import { PickleObject } from './pickle.ts';
import type { PickleValue } from './pickle.ts';
import { readTorchFile } from './torch-file.ts';
import { torchStateOf } from './torch-state.ts';
import { TorchStorage, TorchTensor } from './torch-tensor.ts';

const source = { read: () => new Uint8Array(4), stream: () => {} };
const tensor = (): TorchTensor =>
  new TorchTensor(
    new TorchStorage('0', 'float32', { byteLength: 4, source }),
    { dtype: 'float32', shape: [1], strides: [1], offset: 0 },
    failFor('pth'),
  );
type Plain = { [key: string]: Plain } | PickleValue;
/** A dict of Python, as pickles give it. */
const dict = (value: Record<string, Plain>): Map<PickleValue, PickleValue> => new Map(Object.entries(value));
const weights = (prefix = ''): Map<PickleValue, PickleValue> =>
  dict({ [`${prefix}w`]: tensor(), [`${prefix}b`]: tensor() });
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

describe('the weights of a checkpoint', () => {
  it.each<[string, Record<string, Plain>, string | undefined, string[], string[]]>([
    ['a state dict', { w: tensor(), 'a.b': tensor() }, undefined, ['w', 'a.b'], []],
    [
      'mmengine',
      { meta: dict({ epoch: 1 }), state_dict: weights(), optimizer: dict({ state: weights() }), message_hub: dict({}) },
      'state_dict',
      ['w', 'b'],
      ['optimizer'],
    ],
    [
      'mmengine with an average',
      { state_dict: weights(), ema_state_dict: weights() },
      'state_dict',
      ['w', 'b'],
      ['ema_state_dict'],
    ],
    [
      'torchvision',
      { model: weights(), optimizer: dict({ state: dict({ 0: weights() }) }), epoch: 3 },
      'model',
      ['w', 'b'],
      ['optimizer'],
    ],
    [
      'timm',
      { state_dict: weights(), state_dict_ema: weights(), arch: 'x' },
      'state_dict',
      ['w', 'b'],
      ['state_dict_ema'],
    ],
    [
      'an average alone',
      { state_dict_ema: weights(), optimizer: weights() },
      'state_dict_ema',
      ['w', 'b'],
      ['optimizer'],
    ],
    ['net and ema', { net: weights(), ema: weights(), acc: 1, epoch: 2 }, 'net', ['w', 'b'], ['ema']],
    ['DeepSpeed', { module: weights(), dp_world_size: 1 }, 'module', ['w', 'b'], []],
    [
      'Lightning',
      {
        'pytorch-lightning_version': '2',
        state_dict: weights('model.'),
        loops: dict({}),
        hyper_parameters: dict({ lr: 0.1 }),
      },
      'state_dict',
      ['model.w', 'model.b'],
      [],
    ],
    ['an entry in an entry', { model: dict({ state_dict: weights() }) }, 'model.state_dict', ['w', 'b'], []],
    ['DDP', { state_dict: weights('module.') }, 'state_dict', ['module.w', 'module.b'], []],
    ['numbers beside the weights', { state_dict: weights(), best: tensor() }, 'state_dict', ['w', 'b'], ['best']],
    [
      'unknown entries',
      { first: weights(), second: weights(), optimizer: weights() },
      undefined,
      ['first.w', 'first.b', 'second.w', 'second.b'],
      ['optimizer'],
    ],
    ['lists', { layers: [tensor(), dict({ w: tensor() })] }, undefined, ['layers.0', 'layers.1.w'], []],
    [
      'a state dict with a module called model',
      { model: dict({ w: tensor() }), scale: tensor() },
      'model',
      ['w'],
      ['scale'],
    ],
  ])('of %s', (_, value, entry, names, others) => {
    const state = torchStateOf(dict(value));
    expect([state.entry, [...state.tensors.keys()], state.others]).toEqual([entry, names, others]);
  });

  it('of a whole module lack what its own state dict lacks', () => {
    const module = new PickleObject('torch.nn.modules.linear.Linear', null);
    module.state = new Map<string, PickleValue>([
      ['_parameters', new Map([['weight', tensor()]])],
      [
        '_buffers',
        new Map([
          ['ids', tensor()],
          ['kept', tensor()],
        ]),
      ],
      ['_non_persistent_buffers_set', new Set(['ids'])],
    ]);
    expect([...torchStateOf(module).tensors.keys()]).toEqual(['weight', 'kept']);
  });

  it('are those of the entry that is asked for', () => {
    const value = dict({ net: weights(), ema: dict({ module: weights('x.') }), 'a.b': weights() });
    expect([...torchStateOf(value, { entry: 'ema.module' }).tensors.keys()]).toEqual(['x.w', 'x.b']);
    expect(torchStateOf(value, { entry: 'ema.module' }).others).toEqual(['net', 'a.b']);
    expect([...torchStateOf(value, { entry: 'a.b' }).tensors.keys()]).toEqual(['w', 'b']);
    expect([...torchStateOf(value, { entry: 'ema' }).tensors.keys()]).toEqual(['module.x.w', 'module.x.b']);
    expect(() => torchStateOf(value, { entry: 'emma' })).toThrow(refusal('missing-field', 'emma', 'ema', 'net'));
  });

  it('come from modules, saved whole or as TorchScript, under the names of their state dict', () => {
    const names = [...torchStateOf(readTorchFile(fixture('bare.pth')).value).tensors.keys()];
    const module = readTorchFile(fixture('module.pth'), { skipUnknown: true });
    expect([...torchStateOf(module.value).tensors.keys()]).toEqual(names);
    expect([...torchStateOf(readTorchFile(fixture('script.pt')).value).tensors.keys()]).toEqual(names);
    expect(() => torchStateOf(readTorchFile(fixture('frozen.pt')).value)).toThrow(refusal('missing-field', 'frozen'));
  });

  it('leave what is no tensor as metadata', () => {
    const { metadata } = torchStateOf(
      dict({ state_dict: weights(), epoch: 3, arch: 'resnet', meta: dict({ classes: ['a', 'b'], big: 2n ** 60n }) }),
    );
    expect({ ...metadata }).toEqual({
      epoch: '3',
      arch: 'resnet',
      meta: '{"classes":["a","b"],"big":"1152921504606846976"}',
    });
  });
});

describe('what holds no weights is refused', () => {
  it('with what there is', () => {
    expect(() => torchStateOf(dict({ epoch: 1 }))).toThrow(refusal('missing-field', 'no tensors', 'epoch'));
    expect(() => torchStateOf(5)).toThrow(refusal('missing-field'));
    expect(() => torchStateOf(dict({ optimizer: weights() }))).toThrow(refusal('missing-field', 'optimizer'));
  });

  it('two tensors of one name', () => {
    expect(() => torchStateOf(dict({ 'a.b': tensor(), a: dict({ b: tensor() }) }))).toThrow(
      refusal('duplicate-key', 'a.b'),
    );
  });

  it('dicts that hold themselves, or one another so often that their paths have no end', () => {
    const self = weights();
    self.set('self', self);
    expect(() => torchStateOf(self)).toThrow(refusal('too-large'));
    let bomb: PickleValue = weights();
    for (let i = 0; i < 40; i++) bomb = dict({ a: bomb, b: bomb });
    expect(() => torchStateOf(bomb)).toThrow(refusal('too-large'));
    let deep: PickleValue = weights();
    for (let i = 0; i < 100_000; i++) deep = dict({ a: deep });
    expect(() => torchStateOf(deep)).toThrow(refusal('too-large'));
    let empty: PickleValue = 1;
    for (let i = 0; i < 40; i++) empty = dict({ a: empty, b: empty });
    expect([...torchStateOf(dict({ w: tensor(), empty })).tensors.keys()]).toEqual(['w']);
  });
});
