// What holds for every data set; each kind's test runs it on a small one.
import { expect, it } from 'vitest';

import { ops, tensorsIn, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DataLoader, Resize } from '../index.ts';
import type { Dataset } from '../index.ts';
import { buildDataset, datasets } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

export interface DatasetContract {
  /** Options besides the type, of a set of at least 4 samples and 2 classes; files are written here. */
  options: () => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /** `(C, H, W)`, 0 where images differ. */
  shape: readonly number[];
  /** The labels of the first samples. */
  labels: readonly number[];
  /** What the error says when the files are not there: where was looked, and how to get them. Default: there are no files. */
  missing?: RegExp;
  /** Options that are refused. */
  wrong: Readonly<Record<string, unknown>>;
}

/** Runs the contract on a data set. */
export function describeDataset(name: string, contract: DatasetContract): void {
  const build = async (more: object = {}): Promise<Dataset & Partial<Disposable>> =>
    buildDataset({ type: name, ...(await contract.options()), ...more });
  const free = (dataset: Partial<Disposable>): void => dataset[Symbol.dispose]?.();

  it('contract: is registered with a summary and refuses what is wrong', async () => {
    expect(datasets.get(name).summary.length).toBeGreaterThan(10);
    await expect(build({ nonsense: 1 })).rejects.toThrow(refusal('unknown-option', 'nonsense'));
    await expect(build(contract.wrong)).rejects.toThrow(name);
  });

  it('contract: has samples of known classes and shape', async () => {
    const dataset = await build();
    expect(dataset.shape).toEqual(contract.shape);
    expect(dataset.length).toBeGreaterThanOrEqual(4);
    expect(dataset.classes.length).toBeGreaterThanOrEqual(2);
    expect(contract.labels.map((_, i) => dataset.label!(i))).toEqual(contract.labels);
    for (let i = 0; i < dataset.length; i++) expect(dataset.classes[dataset.label!(i)]).toBeTypeOf('string');
    expect((dataset.images === undefined) !== (dataset.decode === undefined)).toBe(true);
    free(dataset);
  });

  it('contract: gives a sample the same image and fields whatever the batch', async () => {
    const dataset = await build();
    const transforms = dataset.decode === undefined ? [] : [new Resize({ size: [6, 5] })];
    const load = async (batchSize: number, order: number[]) => {
      const loader = new DataLoader(dataset, { batchSize, transforms, seed: 3, sampler: { order: () => order } });
      const batches = [];
      for (let i = 0; i < loader.length; i++) {
        await loader.prepare(2, i);
        batches.push(tidy(() => loader.load(2, i)));
      }
      expect(loader.imageShape).toEqual(batches[0]!.inputs.shape.slice(1));
      return batches;
    };
    const forwards = Array.from({ length: dataset.length }, (_, i) => i);
    const [whole] = await load(dataset.length, forwards);
    expect(whole!.inputs.dtype).toBe('uint8');
    const parts = await load(3, forwards.toReversed());
    for (const { inputs, targets, meta } of parts) {
      meta.forEach((sample, k) => {
        const i = sample.sampleIdx!;
        expect(sample).toEqual(whole!.meta[i]);
        tidy(() => {
          expect(ops.equal(inputs.select(0, k), whole!.inputs.select(0, i))).toBe(true);
          for (const [name, value] of Object.entries(targets) as [string, Tensor][]) {
            expect(ops.equal(value.select(0, k), (whole!.targets[name] as Tensor).select(0, i)), name).toBe(true);
          }
          expect(targets.labels!.select(0, k).item()).toBe(dataset.label!(i));
        });
      });
    }
    for (const { inputs, targets } of [whole!, ...parts]) for (const one of tensorsIn([inputs, targets])) one.dispose();
    free(dataset);
  });

  it.runIf(contract.missing !== undefined)(
    'contract: says where it looked and how to get what is missing',
    async () => {
      await expect(build({ root: '/nowhere' })).rejects.toThrow(contract.missing);
    },
  );
}
