// Weights in files: what others wrote loads where nothing of value is missing, and what was altered or does not fit is said.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { FormatError, serializeSafetensors } from '../formats/index.ts';
import type { TensorRecord } from '../formats/index.ts';
import { ops, tidy } from '../torch/index.ts';
import {
  BatchNorm2d,
  Conv2d,
  InstanceNorm2d,
  Linear,
  loadModule,
  loadTensors,
  Module,
  saveModule,
  saveTensors,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'retort-checkpoint-'));
const file = (name: string): string => join(folder, `${name}.safetensors`);

class Block extends Module {
  conv = new Conv2d(3, 4, { kernelSize: 3 });
  bn = new BatchNorm2d(4);
  instance = new InstanceNorm2d(4, { affine: true, trackRunningStats: true });
  override forward(): void {}
}

class Tied extends Module {
  embed = new Linear(4, 4, { bias: false });
  head = new Linear(4, 4, { bias: false });
  constructor() {
    super();
    this.head.weight = this.embed.weight;
  }
  override forward(): void {}
}

/** Saves what `keep` keeps of a module's state and loads that into another module of its class. */
function passedOn<M extends Module>(
  Class: new () => M,
  keep: (name: string) => boolean,
): [from: M, to: M, missing: string[]] {
  const [from, to] = [new Class(), new Class()];
  const path = file('passed-on');
  tidy(() => saveTensors(path, Object.fromEntries(Object.entries(from.stateDict()).filter(([name]) => keep(name)))));
  return [from, to, loadModule(path, to).missing];
}

describe('weights that others saved', () => {
  it('load without num_batches_tracked, which PyTorch before 0.4.1 does not have', () => {
    const [from, to, missing] = passedOn(Block, (name) => !name.endsWith('num_batches_tracked'));
    expect(missing).toEqual([]);
    tidy(() => expect(to.conv.weight).toBeAllClose(from.conv.weight, { rtol: 0, atol: 0 }));
  });

  it('still need the running statistics', () => {
    expect(() => passedOn(Block, (name) => name !== 'bn.running_var')).toThrow(
      refusal('mismatch', 'missing: bn.running_var'),
    );
  });

  it.each(['embed.weight', 'head.weight'])('load with tied weights under %s alone', (kept) => {
    const [from, to, missing] = passedOn(Tied, (name) => name === kept);
    expect(missing).toEqual([]);
    tidy(() => expect(to.head.weight).toBeAllClose(from.embed.weight, { rtol: 0, atol: 0 }));
  });

  it('name tied weights whose two values differ', () => {
    const path = file('untied');
    tidy(() => saveTensors(path, { 'embed.weight': ops.zeros([4, 4]), 'head.weight': ops.ones([4, 4]) }));
    expect(() => loadModule(path, new Tied())).toThrow(refusal('mismatch', 'head.weight', 'embed.weight'));
  });

  it('say what of the module libtorch has no element type for', () => {
    const records = new Map<string, TensorRecord>([
      ['embed.weight', { dtype: 'F8_E4M3', shape: [4, 4], data: new Uint8Array(16) }],
      ['scale', { dtype: 'F8_E8M0', shape: [4], data: new Uint8Array(4) }],
    ]);
    const path = file('float8');
    writeFileSync(path, Buffer.concat(serializeSafetensors(records)));
    expect(tidy(() => loadTensors(path).leftOut)).toEqual({ 'embed.weight': 'F8_E4M3', scale: 'F8_E8M0' });
    expect(() => loadModule(path, new Tied(), { strict: false })).toThrow(
      refusal('unsupported', '1 tensors', 'embed.weight', 'F8_E4M3'),
    );
  });

  it('are not listed by the hundred where they do not fit', () => {
    class Wide extends Module {
      constructor(width: number) {
        super();
        for (let i = 0; i < 30; i++)
          (this as unknown as Record<string, Module>)[`l${i}`] = new Linear(width, 1, { bias: false });
      }
      override forward(): void {}
    }
    const path = file('wide');
    saveModule(path, new Wide(3));
    expect(() => loadModule(path, new Wide(2))).toThrow(refusal('mismatch', 'l7.weight', 'and 22 more', 'in: '));
  });
});

describe('the checksum', () => {
  it('stands in the metadata, and tells an altered file', () => {
    const path = file('sum');
    tidy(() => saveTensors(path, { x: ops.ones([4]) }, { epoch: '3' }));
    const { metadata } = tidy(() => loadTensors(path));
    expect(metadata).toEqual({ epoch: '3', checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
    const bytes = readFileSync(path);
    for (const [what, at] of [
      ['a weight', bytes.length - 1],
      ['the metadata', bytes.indexOf('"3"') + 1],
    ] as const) {
      const altered = Buffer.from(bytes);
      altered[at] = altered[at]! ^ 1;
      writeFileSync(path, altered);
      expect(() => loadTensors(path), what).toThrow(expect.objectContaining({ code: 'checksum', path }));
      expect(() => loadTensors(path), what).toThrow(FormatError);
      expect(tidy(() => Object.keys(loadTensors(path, { verify: false }).tensors))).toEqual(['x']);
    }
  });

  it('is not asked for in files of others', () => {
    const path = file('others');
    writeFileSync(path, Buffer.concat(serializeSafetensors(new Map(), { format: 'pt' })));
    expect(loadTensors(path).metadata).toEqual({ format: 'pt' });
  });
});
