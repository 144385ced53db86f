// Reads the numbers from PyTorch in test/fixtures/*.json: tensors by formula, stored tensors, and the comparison with them.
// The formats are described in test/fixtures/README.md.
import { readFileSync } from 'node:fs';

import { expect } from 'vitest';

import type { DType, Tensor } from '../src/torch/index.ts';
import { tensor } from '../src/torch/index.ts';

/** A tensor that both sides make: `x.flat[i] = offset + scale * sin(a * i + b)`, in float64, rounded to float32. */
export interface Formula {
  shape: number[];
  scale: number;
  a: number;
  b: number;
  offset: number;
}

/** A tensor by its numbers, or (above 200 of them) by its sums and its first 8. */
export interface Stored {
  shape: number[];
  dtype: DType;
  values?: number[];
  sum?: number;
  absSum?: number;
  weightedSum?: number;
  head?: number[];
  error64?: number;
  head64?: number[];
}

/** `test/fixtures/<name>.json`; the strings "Infinity" and "-Infinity" come as numbers. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what the file holds
export function readFixture<T>(name: string): T {
  const text = readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8');
  return JSON.parse(text, (_, value: unknown) =>
    value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : value,
  ) as T;
}

/** The numbers of a formula, row-major. */
function formula({ shape, scale, a, b, offset }: Formula): Float32Array {
  return Float32Array.from({ length: sizeOf(shape) }, (_, i) => offset + scale * Math.sin(a * i + b));
}

export function isFormula(value: unknown): value is Formula {
  return typeof value === 'object' && value !== null && 'scale' in value && 'shape' in value;
}

export interface FormulaOptions {
  /** Default: float32, or what a stored tensor says. */
  dtype?: DType;
  /** Default false. */
  requiresGrad?: boolean;
}

/** The tensor of a formula, or of a stored tensor that has its `values`. */
export function formulaTensor(spec: Formula | Stored, options: FormulaOptions = {}): Tensor {
  if (isFormula(spec)) return tensor(formula(spec), { shape: spec.shape, ...options });
  if (spec.values === undefined) throw new Error('a stored tensor without values cannot be made again');
  return tensor(Float64Array.from(spec.values), { shape: spec.shape, dtype: spec.dtype, ...options });
}

/** `w.flat[i] = cos(0.7 * i)`, float32: what outputs are weighted with before `backward`; 1 for a scalar. */
export function lossWeights(shape: readonly number[]): Tensor {
  return tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.cos(0.7 * i)),
    { shape },
  );
}

export interface StoredOptions {
  /** Allowed distance, relative to the largest number of the tensor, besides four times `error64`. Default 1e-6. */
  relative?: number;
  /** Allowed distance in absolute terms, on top. Default 0. */
  atol?: number;
}

/** Expects shape, dtype and numbers: integers exactly, others within `4 * error64 + relative * largest + atol`. */
export function expectStored(actual: Tensor, stored: Stored, options: StoredOptions = {}): void {
  const { relative = 1e-6, atol = 0 } = options;
  expect(actual.shape).toEqual(stored.shape);
  expect(actual.dtype).toBe(stored.dtype);
  const got = Array.from(actual.data(), Number);
  const known = stored.values ?? stored.head!;
  const largest = Math.max(0, ...(stored.values ?? got).map(Math.abs).filter(Number.isFinite));
  const allowed = stored.dtype.startsWith('int') ? 0 : 4 * (stored.error64 ?? 0) + relative * largest + atol;
  expect(got.slice(0, known.length)).toBeAllClose(known, { rtol: 0, atol: allowed });
  if (stored.values !== undefined) return;
  const sums = (weight: (value: number, i: number) => number): number =>
    got.reduce((total, value, i) => total + weight(value, i), 0);
  expect([sums((v) => v), sums(Math.abs), sums((v, i) => v * Math.cos(0.7 * i))]).toBeAllClose(
    [stored.sum!, stored.absSum!, stored.weightedSum!],
    { rtol: 0, atol: allowed * got.length },
  );
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
