// What holds for every transform; each kind's test runs it with options of its own.
import { expect, it } from 'vitest';

import { liveTensors, ops, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import * as all from './index.ts';
import { buildTransform, transforms } from './index.ts';
import type { BatchContext, ImageTransform, TransformedBatch } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

export interface TransformContract {
  /** Options besides the type. */
  options?: Readonly<Record<string, unknown>>;
  /** Height and width of what comes out of 9 x 12. Default: the same. */
  size?: readonly [height: number, width: number];
  /** Default `'uint8'`, as goes in. */
  dtype?: DType;
  /** Whether it is random. Default false. */
  random?: boolean;
  /** Whether each image is changed by itself; false where images of a batch are mixed. Default true. */
  single?: boolean;
  /** Images of floating point are taken too. Default true. */
  floats?: boolean;
  /** Options that are refused, and what the error says. */
  wrong: readonly (readonly [options: Readonly<Record<string, unknown>>, error: RegExp])[];
}

const samples = [12, 3, 44, 5, 60, 7];
const at = (chosen: readonly number[], epoch = 1): BatchContext => ({ seed: 5, epoch, samples: chosen });

/** `uint8 (N, 3, h, w)`: each sample a picture of its own. */
export function pictures(chosen: readonly number[], h = 9, w = 12): Tensor {
  const bytes = chosen.flatMap((sample) =>
    Array.from(
      { length: 3 * h * w },
      (_, i) => (sample * 37 + Math.floor(i / w) * 19 + (i % w) * 11 + (i % 7) * i) % 256,
    ),
  );
  return tensor(Uint8Array.from(bytes), { shape: [chosen.length, 3, h, w] });
}

/** Runs the contract on a transform. */
export function describeTransform(name: string, contract: TransformContract): void {
  const { options = {}, size = [9, 12], dtype = 'uint8', random = false, single = true } = contract;
  const build = (more: object = {}): ImageTransform =>
    buildTransform({ type: name, ...options, ...more }) as ImageTransform;
  const apply = (batch: Tensor, context: BatchContext): unknown => tidy(() => build().apply(batch, context).toArray());

  it('contract: is registered with a summary and refuses what is wrong', () => {
    expect(transforms.get(name).summary.length).toBeGreaterThan(10);
    expect(() => build({ nonsense: 1 })).toThrow(refusal('unknown-option', 'nonsense'));
    const Class = new Map(Object.entries<unknown>(all)).get(name) as new (options: object) => ImageTransform;
    for (const [more, error] of contract.wrong) {
      expect(() => build(more), JSON.stringify(more)).toThrow(error);
      expect(() => new Class({ ...options, ...more }), `${JSON.stringify(more)} in code`).toThrow(error);
    }
    expect(() => new Class({ ...options, nonsense: 1 })).toThrow(refusal('unknown-option', name, 'nonsense'));
  });

  it('contract: gives the shape and dtype it should, and leaves its input alone', () => {
    tidy(() => {
      const batch = pictures(samples);
      const before = batch.clone();
      const result = build().apply(batch, at(samples));
      expect(result.shape).toEqual([samples.length, 3, ...size]);
      expect(result.dtype).toBe(dtype);
      expect(ops.equal(batch, before)).toBe(true);
      if (contract.floats !== false) {
        expect(build().apply(batch.to('float32'), at(samples)).dtype).toBe('float32');
      } else {
        expect(() => build().apply(batch.to('float32'), at(samples))).toThrow(
          refusal('invalid-argument', 'uint8', 'float32'),
        );
      }
    });
  });

  it('contract: depends on seed, epoch and sample alone', () => {
    tidy(() => {
      const whole = apply(pictures(samples), at(samples)) as unknown[];
      expect(apply(pictures(samples), at(samples))).toEqual(whole);
      const turned = apply(pictures(samples.toReversed()), at(samples.toReversed())) as unknown[];
      expect(turned.toReversed()).toEqual(whole);
      if (single) {
        samples.forEach((sample, i) => expect(apply(pictures([sample]), at([sample]))).toEqual([whole[i]]));
      }
      const later = Array.from({ length: 8 }, (_, epoch) => apply(pictures(samples), at(samples, epoch + 2)));
      expect(later.some((one) => JSON.stringify(one) !== JSON.stringify(whole))).toBe(random);
    });
  });

  it('contract: images of any size come to one where it says so', () => {
    if (build().fixesSize !== true) return;
    tidy(() => {
      const other = build().apply(pictures(samples, 17, 11), at(samples));
      expect(other.shape).toEqual([samples.length, 3, ...size]);
    });
  });

  it('contract: changes labels only where it says so, and then they add up to 1', () => {
    tidy(() => {
      const transform = build();
      const labels = tensor(BigInt64Array.from(samples, (_, i) => BigInt(i % 4)));
      const before: TransformedBatch = { inputs: pictures(samples), targets: { labels }, numClasses: 4 };
      const after = transform.applyBatch?.(before, at(samples));
      expect(after === undefined).toBe(single);
      expect(transform.mixes === true).toBe(!single);
      if (after === undefined) return;
      const images = transform.apply(before.inputs as Tensor, at(samples));
      expect(ops.equal(after.inputs as Tensor, images)).toBe(true);
      expect(after.targets.labels).toBe(labels);
      const { scores } = after.targets;
      expect(scores!.shape).toEqual([samples.length, 4]);
      expect(scores!.sum(1)).toBeAllClose(
        samples.map(() => 1),
        { rtol: 1e-9 },
      );
      expect(scores!.min().item()).toBeGreaterThanOrEqual(0);
      // a record with images is mixed alike, and keeps its other entries
      const mask = ops.ones([samples.length, 2]);
      const record = { ...before, inputs: { images: before.inputs as Tensor, mask } };
      const mixed = transform.applyBatch!(record, at(samples)).inputs as Record<string, Tensor>;
      expect(ops.equal(mixed['images']!, images)).toBe(true);
      expect(mixed['mask']).toBe(mask);
    });
  });

  it('contract: leaves nothing behind but its result', () => {
    tidy(() => {
      const transform = build();
      const batch = pictures(samples);
      tidy(() => transform.apply(batch, at(samples)));
      const before = liveTensors().length;
      for (let i = 0; i < 5; i++) tidy(() => void transform.apply(batch, at(samples, i)));
      expect(liveTensors().length).toBe(before);
    });
  });
}
