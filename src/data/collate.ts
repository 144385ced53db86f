// How samples that are read one by one become a batch: stacked where they are of one size, padded where they are not.
import { z } from 'zod';

import { shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { mapInputs } from '../nn/index.ts';
import type { Inputs, Targets } from '../nn/index.ts';
import { checkOptions } from '../registry/index.ts';
import type { OptionsFrom } from '../registry/index.ts';
import { functional } from '../nn/index.ts';
import { ops, Tensor } from '../torch/index.ts';
import type { Sample } from './dataset.ts';

/** Makes a batch of samples, in the caller's scope. Targets that the data set gives for many samples at once are added to it. */
export type Collate<I extends Inputs = Inputs> = (samples: readonly Sample[]) => { inputs: I; targets?: Targets };

/**
 * Samples of one size as a batch: tensors are stacked, `N` in front; targets that are lists become one list with an item per sample.
 * @throws {RetortError} where samples differ in size, or in what they have.
 */
export const stackSamples: Collate<never> = (samples) =>
  collated(samples, { inputs: stacked, targets: stacked }) as ReturnType<Collate<never>>;

const padded = {
  /** What inputs are padded with: one number, or one for each entry of a record. Default 0. */
  value: z.union([z.number(), z.record(z.string(), z.number())]).default(0),
  /** What labels of tokens or pixels are padded with, which losses are to ignore. Default -100. */
  labelValue: z.number().default(-100),
  /** Entries of a record whose mask is added, as `<name>Mask`. Default: all. */
  masks: z.array(z.string()).readonly().optional(),
  /** Sizes are multiples of it. Default 1. */
  divisor: z.int().positive().default(1),
};
const padSchema = z.strictObject(padded);
/** Options of {@link padSamples}. */
export interface PadSamplesOptions extends OptionsFrom<typeof padded> {}

/**
 * Samples of different sizes as a batch: each tensor is padded at the end of its dimensions to the largest of the batch. Beside each
 * entry stands a mask, bool, true where the sample is and false in the padding: `(N, H, W)` of images `(N, C, H, W)`, `(N, L)` of
 * sequences `(N, L)` or `(N, L, D)`. A batch of images alone becomes the record `{ images, mask }`, of other tensors `{ inputs, mask }`. Labels of
 * tokens or pixels are padded too, by the same `divisor`; lists such as boxes are left as they are.
 *
 * @example
 * ```ts
 * new DataLoader(dataset, { batchSize: 8, collate: padSamples({ divisor: 32 }) });
 * ```
 * @throws {RetortError} for options that make no sense; when called, for samples of different ranks, channels or entries.
 */
export function padSamples(options: PadSamplesOptions = {}): Collate<Readonly<Record<string, Tensor>>> {
  const { value, labelValue, masks, divisor } = checkOptions(padSchema, options, 'padSamples');
  const valueOf = (name: string): number => (typeof value === 'number' ? value : (value[name] ?? 0));
  return (samples) => {
    const [first] = samples;
    const alone = first?.inputs instanceof Tensor;
    const named = alone ? samples.map(({ inputs, ...rest }) => ({ ...rest, inputs: record(inputs) })) : samples;
    const { inputs, ...rest } = collated(named, {
      inputs: (list, name) => paddedTogether(list, { name, value: valueOf(name), divisor, grows: growing(list[0]!) }),
      targets: (list, name, of) =>
        name === 'labels'
          ? paddedTogether(list, { name, value: labelValue, divisor, grows: growingLabels(list[0]!) })
          : stacked(list, name, of),
    });
    const entries: Record<string, Tensor> = { ...(inputs as Record<string, Tensor>) };
    for (const [name, batch] of Object.entries(inputs as Record<string, Tensor>)) {
      if (!alone && masks !== undefined && !masks.includes(name)) continue;
      const list = named.map((sample) => (sample.inputs as Record<string, Tensor>)[name]!);
      entries[alone ? 'mask' : `${name}Mask`] = maskOf(list, batch);
    }
    return { ...rest, inputs: entries };
  };
}

const record = (inputs: Inputs): Inputs => (inputs instanceof Tensor ? { [nameOf(inputs)]: inputs } : inputs);
const nameOf = ({ ndim }: Tensor): string => (ndim === 3 ? 'images' : 'inputs');
/** The dimensions of a sample that are padded and have a mask: not the channels `(C, H, W)` of an image, nor the `D` of `(L, D)`. */
function growing({ ndim }: Tensor): readonly number[] {
  if (ndim === 2) return [0];
  return Array.from({ length: ndim }, (_, d) => d).slice(ndim === 3 ? 1 : 0);
}
/** Those of labels: `(H, W)` are of pixels. */
const growingLabels = (labels: Tensor): readonly number[] => (labels.ndim === 2 ? [0, 1] : growing(labels));

type Join = (list: readonly Tensor[], name: string, samples: readonly Sample[]) => Tensor;

/** Inputs entry by entry, targets name by name. */
function collated(samples: readonly Sample[], join: { inputs: Join; targets: Join }): ReturnType<Collate> {
  const [first] = samples;
  if (first === undefined) throw new RetortError('collate: samples: expected at least one, got none');
  requireAlike(samples);
  const inputs = mapInputs(first.inputs, (_, name) =>
    join.inputs(
      samples.map((sample) => entryOf(sample.inputs, name)),
      name ?? nameOf(first.inputs as Tensor),
      samples,
    ),
  );
  const targets: Record<string, Tensor | readonly Tensor[]> = {};
  const names = new Set(samples.flatMap((sample) => Object.keys(sample.targets ?? {})));
  for (const name of names) {
    const values = samples.map(({ targets: own = {} }) => own[name]);
    if (values.every((value) => Array.isArray(value))) targets[name] = values.flat() as Tensor[];
    else if (values.every((value) => value instanceof Tensor)) targets[name] = join.targets(values, name, samples);
    else throw unlikeTargets(name, values, samples);
  }
  return names.size === 0 ? { inputs } : { inputs, targets };
}

const entryOf = (inputs: Inputs, name: string | undefined): Tensor =>
  inputs instanceof Tensor ? inputs : inputs[name!]!;

/** What a sample is called in errors: its file where it has one. */
const calledAt = (samples: readonly Sample[], i: number): string =>
  samples[i]?.meta?.path ?? `sample ${i} of the batch`;

/** @throws {RetortError} for samples whose inputs have other entries than those of the first; it names two. */
function requireAlike(samples: readonly Sample[]): void {
  const entries = ({ inputs }: Sample): string =>
    inputs instanceof Tensor
      ? 'one tensor'
      : Object.keys(inputs)
          .toSorted()
          .map((name) => `"${name}"`)
          .join(', ');
  const [wanted, other] = [
    entries(samples[0]!),
    samples.findIndex((sample) => entries(sample) !== entries(samples[0]!)),
  ];
  if (other === -1) return;
  throw new RetortError(
    `collate: inputs: expected the same of all samples, got ${wanted} for ${calledAt(samples, 0)} and ${entries(samples[other]!)} for ${calledAt(samples, other)}`,
    { code: 'mismatch' },
  );
}

/** Targets of a name that samples have in different ways. */
function unlikeTargets(name: string, values: readonly unknown[], samples: readonly Sample[]): RetortError {
  const kind = (value: unknown): string => {
    if (value instanceof Tensor) return 'a tensor';
    if (Array.isArray(value)) return 'a list of tensors';
    return value === undefined ? 'nothing' : shown(value);
  };
  const unlike = values.findIndex((value) => kind(value) !== kind(values[0]));
  const got = unlike === -1 ? `${kind(values[0])} for all` : `${at(0)} and ${at(unlike)}`;
  function at(i: number): string {
    return `${kind(values[i])} for ${calledAt(samples, i)}`;
  }
  return new RetortError(
    `collate: targets: ${name}: expected a tensor for each sample, or a list of tensors for each, got ${got}`,
  );
}

const sizeOf = (one: Tensor): string => (one.ndim === 3 ? one.shape.slice(1).join('x') : `(${one.shape.join(', ')})`);

/** @throws {RetortError} when they differ in size; it names two, by their files where they have one. */
function stacked(list: readonly Tensor[], name: string, samples: readonly Sample[] = []): Tensor {
  const other = list.findIndex(({ shape }) => shape.join() !== list[0]!.shape.join());
  if (other === -1) return ops.stack([...list]);
  const what = list[0]!.ndim === 3 && list[other]!.ndim === 3 ? 'images' : `"${name}" of samples`;
  throw new RetortError(
    `collate: ${what} differ in size: ${calledAt(samples, 0)} is ${sizeOf(list[0]!)}, ${calledAt(samples, other)} is ${sizeOf(list[other]!)}`,
    {
      help:
        what === 'images'
          ? 'begin transforms with RandomResizedCrop, ResizeEdge and CenterCrop, or Resize; or pad them: collate: padSamples()'
          : 'pad them: collate: padSamples()',
    },
  );
}

interface Padding {
  name: string;
  value: number;
  divisor: number;
  /** The dimensions that are padded. */
  grows: readonly number[];
}

function paddedTogether(list: readonly Tensor[], { name, value, divisor, grows }: Padding): Tensor {
  const first = list[0]!;
  const fits = ({ shape, ndim }: Tensor): boolean =>
    ndim === first.ndim && shape.every((size, d) => grows.includes(d) || size === first.shape[d]);
  const other = list.findIndex((one) => !fits(one));
  if (other !== -1) {
    const shown = (i: number): string => `(${list[i]!.shape.join(', ')})`;
    const fixed = first.ndim === 3 ? ' and number of channels' : first.ndim === 2 ? ' and width' : '';
    throw new RetortError(
      `padSamples: "${name}": expected samples of one rank${fixed}, got ${shown(0)} for sample 0 and ${shown(other)} for sample ${other} of the batch`,
    );
  }
  const sizes = first.shape.map((size, d) => {
    if (!grows.includes(d)) return size;
    return Math.ceil(Math.max(...list.map(({ shape }) => shape[d]!)) / divisor) * divisor;
  });
  return ops.stack(
    list.map((one) => {
      const lacking = sizes.map((size, d) => size - one.shape[d]!).toReversed();
      if (lacking.every((count) => count === 0)) return one;
      return functional.pad(one, { pad: lacking.flatMap((count) => [0, count]), value });
    }),
  );
}

/** True where the samples are, within the batch that they were padded to. */
function maskOf(list: readonly Tensor[], batch: Tensor): Tensor {
  const grows = growing(list[0]!);
  const mask = ops.zeros([list.length, ...grows.map((d) => batch.shape[1 + d]!)], { dtype: 'bool' });
  for (const [i, one] of list.entries()) {
    let inside = mask.select(0, i);
    for (const [at, d] of grows.entries()) inside = inside.narrow(at, 0, one.shape[d]!);
    inside.fill_(1);
  }
  return mask;
}
