// Losses of classes: along which axis the classes lie, which positions count, and the true class of each.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import type { OptionsFrom, SettingsFrom } from '../../../registry/index.ts';
import { ops } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import type { Reduction } from '../loss.ts';
import { shown } from './shapes.ts';
import type { Named } from './shapes.ts';

export const classShape = {
  /** The axis of the classes; negative ones count from the last, -1. All others are positions. Default 1. */
  dim: z.int().default(1),
};
/** What losses of classes may be told. */
export interface ClassOptions extends OptionsFrom<typeof classShape> {}
/** The same once they are checked. */
export interface ClassSettings extends SettingsFrom<typeof classShape> {}

const ofLabels = {
  /** The label of positions that count for nothing, such as padding. Default -100. */
  ignoreIndex: z.int().default(-100),
};
export const labelShape = { ...classShape, ...ofLabels };
/** What losses of classes and labels may be told. */
export interface LabelOptions extends ClassOptions, OptionsFrom<typeof ofLabels> {}
/** The same once they are checked. */
export interface LabelSettings extends ClassSettings, SettingsFrom<typeof ofLabels> {}

/** Arguments with a mask of the positions that count. */
export interface Masked {
  /**
   * Which positions count: bool, or 0 and 1, of a shape that broadcasts to that of the logits without their axis of classes. The
   * others add nothing to the loss and get a gradient of 0, whatever stands there; means are over what counts, 0 where nothing
   * does. Default: all.
   */
  mask?: Tensor | null | undefined;
}

/** Arguments with the true classes, and a mask of the positions that count. */
export interface Labeled extends Masked {
  /**
   * The true class of each position, int64 of the shape of the logits without their axis of classes (`(N, 1)` for `(N)` too); or
   * the share of each class, of the shape of the logits, where each position is of one class.
   */
  gtLabels: Tensor;
}

/** The axis that `dim` means, from 0. @throws {RetortError} when the tensor has no such axis */
export function classAxis(loss: string, [name, { shape }]: Named, dim: number): number {
  const axis = dim < 0 ? dim + shape.length : dim;
  if (axis >= 0 && axis < shape.length) return axis;
  const range = shape.length === 0 ? 'which has none' : `${-shape.length} to ${shape.length - 1}`;
  throw new RetortError(`${loss}: dim: expected an axis of ${name} ${shown(shape)}, ${range}, got ${dim}`, {
    help: 'dim is the axis of the classes: 1 for (N, C) and (N, C, H, W), -1 for (N, L, C)',
  });
}

/** The positions of logits: their shape without the classes. */
export function positionsOf({ shape }: Tensor, axis: number): number[] {
  return shape.filter((_, i) => i !== axis);
}

/** A row of classes for each position: `(M, C)`, a view where the classes are last. */
export function rowsOf(logits: Tensor, axis: number): Tensor {
  if (logits.ndim === 2 && axis === 1) return logits;
  return logits.movedim(axis, -1).reshape([-1, logits.shape[axis]!]);
}

/** The classes at dimension 1, as rows where they were elsewhere: `(N, C, ...)` or `(M, C)`. */
export function classesSecond(logits: Tensor, axis: number): Tensor {
  return axis === 1 ? logits : rowsOf(logits, axis);
}

/** Positions in the order of {@link classesSecond}. */
export function besideClasses(positions: Tensor, axis: number): Tensor {
  return axis === 1 ? positions : positions.reshape([-1]);
}

/**
 * The positions that a mask rules out, bool of the shape of the positions; undefined where all count.
 * @throws {RetortError} for a mask that does not broadcast to them, or has other numbers than 0 and 1
 */
export function ignoredBy(
  loss: string,
  [name, logits]: Named,
  axis: number,
  mask: Tensor | null | undefined,
): Tensor | undefined {
  return ignoredOf(loss, `${name} ${shown(logits.shape)} without its axis of classes`, positionsOf(logits, axis), mask);
}

/** The same of any positions. @param what names them */
export function ignoredOf(
  loss: string,
  what: string,
  positions: readonly number[],
  mask: Tensor | null | undefined,
): Tensor | undefined {
  if (mask === undefined || mask === null) return undefined;
  const lead = positions.length - mask.ndim;
  if (lead < 0 || mask.shape.some((size, i) => size !== 1 && size !== positions[lead + i])) {
    throw new RetortError(
      `${loss}: mask: expected a shape that broadcasts to ${shown(positions)}, ${what}, got ${shown(mask.shape)}`,
      { help: 'a mask says of each position whether it counts' },
    );
  }
  const zero = mask.dtype === 'bool' ? mask.logicalNot() : mask.eq(0);
  if (mask.dtype !== 'bool' && zero.logicalOr(mask.eq(1)).all().item() === 0) {
    throw new RetortError(`${loss}: mask: expected true and false, or 0 and 1, got other numbers`, {
      help: 'a loss that weighs positions is KDSoftCELoss, by its argument weight',
    });
  }
  return zero.expand(positions);
}

/** The same, and the positions whose label is `ignoreIndex`. */
export function ignoredIn(
  loss: string,
  logits: Named,
  axis: number,
  { mask, gtLabels, ignoreIndex }: Partial<Labeled> & { ignoreIndex?: number | undefined },
): Tensor | undefined {
  const ignored = ignoredBy(loss, logits, axis, mask);
  const positions = positionsOf(logits[1], axis);
  const all = positions.reduce((product, size) => product * size, 1);
  if (gtLabels?.dtype !== 'int64' || ignoreIndex === undefined || gtLabels.numel !== all) return ignored;
  const byLabel = gtLabels.eq(ignoreIndex).reshape(positions);
  if (byLabel.any().item() === 0) return ignored;
  return ignored === undefined ? byLabel : ignored.logicalOr(byLabel);
}

/** The tensor, with 0 and without gradient at the positions that are ignored. */
export function withoutIgnored(logits: Tensor, ignored: Tensor | undefined, axis: number): Tensor {
  return ignored === undefined ? logits : logits.maskedFill(ignored.unsqueeze(axis), 0);
}

/** How logits are looked at with the samples at dimension 0. */
export interface SamplesFirst {
  /** The axis of the classes then, 1 or more. */
  readonly axis: number;
  /** The positions that are ignored then, bool `(N, ...)`; undefined where all count. */
  readonly ignored: Tensor | undefined;
  /** Brings the samples to dimension 0. A row of classes alone becomes one sample. */
  first(logits: Tensor): Tensor;
  /** Undoes that. */
  back(terms: Tensor): Tensor;
}

/** @throws {RetortError} as {@link classAxis} and {@link ignoredBy} */
export function samplesFirst(loss: string, logits: Named, dim: number, mask: Tensor | null | undefined): SamplesFirst {
  const given = classAxis(loss, logits, dim);
  const ignored = ignoredBy(loss, logits, given, mask);
  const same = (x: Tensor): Tensor => x;
  if (given > 0) return { axis: given, ignored, first: same, back: same };
  if (logits[1].ndim > 1) {
    const swapped = (x: Tensor): Tensor => x.transpose(0, 1);
    return { axis: 1, ignored, first: swapped, back: swapped };
  }
  return { axis: 1, ignored: ignored?.unsqueeze(0), first: (x) => x.unsqueeze(0), back: (x) => x.squeeze(0) };
}

/**
 * What a sum over positions is divided by: of positions `(N, ...)`, the samples that have one that counts, or how many count, times
 * the classes; at least 1.
 */
export function divisorOf(
  reduction: Reduction,
  positions: readonly number[],
  { classes = 1, ignored }: { classes?: number; ignored?: Tensor | undefined },
): number {
  if (reduction === 'sum' || reduction === 'none') return 1;
  const all = positions.reduce((product, size) => product * size, 1);
  if (reduction === 'mean') return Math.max(1, (ignored === undefined ? all : all - ignored.sum().item()) * classes);
  if (ignored === undefined) return Math.max(1, positions[0] ?? 1);
  const counts = ignored.logicalNot();
  return Math.max(1, (counts.ndim > 1 ? counts.flatten(1).any(1) : counts).sum().item());
}

/** The mean; 0 of nothing. */
export function meanOf(terms: Tensor): Tensor {
  return terms.numel === 0 ? terms.sum() : terms.mean();
}

/** The rows of both sides that count. */
export interface CountedRows {
  /** `(M, C)` each. */
  readonly rows: readonly [student: Tensor, teacher: Tensor];
  /** Where they come from among all rows, int64 `(M)`; undefined when all count. */
  readonly from: Tensor | undefined;
  /** All positions. */
  readonly positions: readonly number[];
}

/** The rows of classes that count, of logits that have one shape. @throws {RetortError} as {@link classAxis} and {@link ignoredBy} */
export function countedRows(
  loss: string,
  [student, teacher]: readonly [Named, Named],
  { dim }: ClassSettings,
  mask: Tensor | null | undefined,
): CountedRows {
  const axis = classAxis(loss, student, dim);
  const from = keptFrom(ignoredBy(loss, student, axis, mask));
  const kept = (side: Tensor): Tensor => selected(rowsOf(side, axis), from);
  return { rows: [kept(student[1]), kept(teacher[1])], from, positions: positionsOf(student[1], axis) };
}

export interface LabeledRows extends CountedRows {
  /** The true class of each row, int64 `(M)`. */
  readonly labels: Tensor;
}

/**
 * The rows of classes that count, and their classes.
 * @throws {RetortError} as {@link countedRows}, for labels of another dtype or shape, for a class outside `[0, C)`, and for a position of
 *   several classes; both name it.
 */
export function labeledRows(
  loss: string,
  [student, teacher]: readonly [Named, Named],
  { dim, ignoreIndex }: LabelSettings,
  { gtLabels, mask }: Labeled,
): LabeledRows {
  const axis = classAxis(loss, student, dim);
  const positions = positionsOf(student[1], axis);
  const given = labelRowsOf(loss, student, axis, gtLabels);
  const from = keptFrom(ignoredIn(loss, student, axis, { mask, gtLabels, ignoreIndex }));
  const kept = (rows: Tensor): Tensor => selected(rows, from);
  const nameOf = (row: number): string =>
    positionName(from === undefined ? row : from.select(0, row).item(), positions);
  const labels =
    given.classes === undefined
      ? onlyClasses(loss, kept(given.shares), nameOf)
      : inRange(loss, student, axis, kept(given.classes), nameOf);
  return { rows: [kept(rowsOf(student[1], axis)), kept(rowsOf(teacher[1], axis))], from, positions, labels };
}

/** Labels by position: classes, int64 `(M)`, or shares, `(M, C)`. */
export type LabelRows =
  | { readonly classes: Tensor; readonly shares?: undefined }
  | { readonly classes?: undefined; readonly shares: Tensor };

/** @throws {RetortError} for another dtype or shape */
export function labelRowsOf(loss: string, [name, logits]: Named, axis: number, gtLabels: Tensor): LabelRows {
  const { shape, dtype } = gtLabels;
  const same = (wanted: readonly number[]): boolean =>
    shape.length === wanted.length && shape.every((size, i) => size === wanted[i]);
  if (/float/.test(dtype) && same(logits.shape)) return { shares: rowsOf(gtLabels, axis) };
  const field = { help: "map gtLabels to { field: 'labels' }" };
  if (dtype !== 'int64') throw new RetortError(`${loss}: gtLabels: expected classes as int64, got ${dtype}`, field);
  const positions = positionsOf(logits, axis);
  if (same(positions) || (positions.length === 1 && same([...positions, 1]))) {
    return { classes: gtLabels.reshape([-1]) };
  }
  const either = positions.length === 1 ? ` or ${shown([...positions, 1])}` : '';
  const each = positions.length === 1 ? 'sample' : 'position';
  const expected = `${shown(positions)}${either}, one class for each ${each} of ${name} ${shown(logits.shape)}`;
  throw new RetortError(`${loss}: gtLabels: expected ${expected}, got ${shown(shape)}`, field);
}

/** Classes within `[0, C)`. @param nameOf names a row @throws {RetortError} for one outside, which names it */
export function inRange(
  loss: string,
  [name, logits]: Named,
  axis: number,
  labels: Tensor,
  nameOf: (row: number) => string,
): Tensor {
  const classes = logits.shape[axis]!;
  if (labels.lt(0).logicalOr(labels.ge(classes)).any().item() === 0) return labels;
  const given = Array.from(labels.data(), Number);
  const wrong = given.findIndex((label) => label < 0 || label >= classes);
  throw new RetortError(
    `${loss}: gtLabels: expected classes 0 to ${classes - 1}, as ${name} has, got ${given[wrong]} for ${nameOf(wrong)}`,
    { help: 'give the networks as many classes as the data set has' },
  );
}

/** The class of each row, of shares `(M, C)`. @throws {RetortError} for one that is mixed. */
function onlyClasses(loss: string, shares: Tensor, nameOf: (row: number) => string): Tensor {
  const [share, indices] = shares.max(1);
  const mixed = share.lt(oneClass);
  if (mixed.any().item() === 0) return indices;
  const row = Array.from(mixed.data(), Number).indexOf(1);
  throw new RetortError(
    `${loss}: gtLabels: expected one true class of each sample, but ${nameOf(row)} is mixed, ${Number(share.select(0, row).item().toFixed(3))} of class ${indices.select(0, row).item()}`,
    { help: withoutMixing },
  );
}

/** `sample 3`, or `position [0, 5]`. */
export function positionName(row: number, positions: readonly number[]): string {
  if (positions.length < 2) return `sample ${row}`;
  const indices: number[] = [];
  let rest = row;
  for (const size of positions.toReversed()) {
    indices.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `position ${shown(indices)}`;
}

function keptFrom(ignored: Tensor | undefined): Tensor | undefined {
  return ignored?.reshape([-1]).logicalNot().nonzero().squeeze(1);
}

function selected(rows: Tensor, from: Tensor | undefined): Tensor {
  return from === undefined ? rows : rows.indexSelect(0, from);
}

/** A value for each row that counts, `(M)`, back at its position, with 0 at the others. */
export function atPositions(values: Tensor, { from, positions }: CountedRows): Tensor {
  if (from === undefined) return values.view(positions);
  const all = positions.reduce((product, size) => product * size, 1);
  const { dtype, device } = values;
  return ops.zeros([all], { dtype, device }).indexAdd(0, from, values).view(positions);
}

/** The target's column: `(M, C)` to `(M)`. */
export function targetColumn(values: Tensor, labels: Tensor): Tensor {
  return values.gather(1, labels.unsqueeze(1)).squeeze(1);
}

/** True at the target and false elsewhere, bool `(M, C)`. */
export function targetMask(values: Tensor, labels: Tensor): Tensor {
  return ops.zerosLike(values).scatter(1, labels.unsqueeze(1), 1).gt(0);
}

/** All columns but the target's: `(M, C)` to `(M, C - 1)`. */
export function othersOf(values: Tensor, labels: Tensor): Tensor {
  const [n = 0, c = 1] = values.shape;
  return values.maskedSelect(targetMask(values, labels).logicalNot()).view([n, c - 1]);
}

/** A share from which on a sample is of one class: images of the same class may have been mixed, and shares were rounded. */
export const oneClass = 1 - 1e-6;

/** The way out for a loss that wants one true class beside mixed images. */
export const withoutMixing =
  'take Mixup, CutMix and labels in shares out of the training data, or a loss without labels, such as KLDivergence or DISTLoss';
