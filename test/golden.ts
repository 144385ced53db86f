// Losses against the numbers that MMRazor printed (test/fixtures/mmrazor-losses.json): value and gradients, in float64 to 1e-9
// relative and in float32 to 1e-5.
import { expect, it } from 'vitest';

import { buildLoss } from '../src/distill/losses/index.ts';
import { grad, tensor, tidy } from '../src/torch/index.ts';
import type { DType, Tensor } from '../src/torch/index.ts';
import { readFixture } from './fixtures.ts';

/** `x.flat[i] = scale * sin(a * i + b)` */
export interface Wave {
  shape: number[];
  a: number;
  b: number;
  scale?: number;
}

interface LossGolden {
  loss: string;
  options: Record<string, unknown>;
  inputs: Wave[];
  extra: Record<string, number[]>;
  out_shape: number[];
  value: number[] | null;
  sum: number;
  /** Per input; null where autograd gives none, a text where the original fails. */
  grad: ({ sum: number; abs_sum: number; first?: number[] } | string | null)[];
}

export function wave({ shape, a, b, scale = 1 }: Wave, dtype: DType = 'float64'): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float64Array.from({ length: count }, (_, i) => scale * Math.sin(a * i + b));
  return tensor(values, { shape, dtype, requiresGrad: true });
}

/** `preds_S` -> `predsS`, in keys at any depth. */
export function camelKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key.replace(/(?<=.)_([a-zA-Z])/g, (_, letter: string) => letter.toUpperCase()),
      camelKeys(item),
    ]),
  );
}

/** What the original's options are here, where that is more than another way of writing. */
function ourOptions(options: LossGolden['options']): object {
  const { size_average: size, nonloacl_weight: relations, ...rest } = options;
  return {
    ...(camelKeys(rest) as object),
    ...(size === undefined ? {} : { reduction: size === false ? 'sum' : 'mean' }),
    ...(relations === undefined ? {} : { nonlocalWeight: relations }),
  };
}

function extraTensors(extra: LossGolden['extra'], dtype: DType): Record<string, Tensor> {
  const entries = Object.entries(camelKeys(extra) as LossGolden['extra']).map(([name, values]) => [
    name,
    name === 'gtLabels' ? tensor(BigInt64Array.from(values, BigInt)) : tensor(Float64Array.from(values), { dtype }),
  ]);
  return Object.fromEntries(entries) as Record<string, Tensor>;
}

function check(golden: LossGolden, config: object, dtype: 'float64' | 'float32'): void {
  const loss = buildLoss({ type: golden.loss, ...ourOptions(golden.options), ...config });
  const inputs = golden.inputs.map((spec) => wave(spec, dtype));
  const names = [...loss.inputs.required, ...(loss.inputs.optional ?? [])];
  const args = Object.fromEntries(inputs.map((input, i) => [names[i]!, input]));
  const forward = loss.forward as (args: object) => Tensor;
  const output = forward({ ...args, ...extraTensors(golden.extra, dtype) });
  const rtol = dtype === 'float64' ? 1e-9 : 1e-5;
  const atol = dtype === 'float64' ? 1e-12 : 1e-6;
  if (golden.value !== null) expect(output).toBeAllClose(golden.value, { rtol, atol });
  expect(output.sum()).toBeAllClose(golden.sum, { rtol, atol });
  const gradients = output.requiresGrad ? grad([output.sum()], inputs, { allowUnused: true }) : inputs.map(() => null);
  gradients.forEach((gradient, i) => {
    const expected = golden.grad[i];
    if (typeof expected === 'string') return;
    if (expected === null || expected === undefined) {
      expect(gradient === null || gradient.abs().sum().item() === 0, `${names[i]!} has no gradient`).toBe(true);
      return;
    }
    expect(gradient!.abs().sum()).toBeAllClose(expected.abs_sum, { rtol: 10 * rtol, atol: 10 * atol });
    const first = expected.first ?? [];
    expect(gradient!.data().slice(0, first.length)).toBeAllClose(first, { rtol: 10 * rtol, atol: 10 * atol });
  });
}

/**
 * Runs every golden case of a loss, built with `compat: 'mmrazor'`, and without where the original is right.
 * @param differs which cases only `compat` reproduces. Default none.
 */
export function itMatchesGoldens(
  loss: string,
  differs: (options: Record<string, unknown>) => boolean = () => false,
): void {
  const cases = readFixture<{ losses: LossGolden[] }>('mmrazor-losses').losses.filter((one) => one.loss === loss);
  if (cases.length === 0) throw new Error(`there are no golden numbers of ${loss}`);
  const labeled = cases.map((one, i) => [i, JSON.stringify(one.options), one] as const);
  it.each(labeled)('golden %i %s', (_i, _options, one) => {
    expect(one.grad).toHaveLength(one.inputs.length);
    for (const dtype of ['float64', 'float32'] as const) {
      tidy(() => check(one, { compat: 'mmrazor' }, dtype));
      if (!differs(one.options)) tidy(() => check(one, {}, dtype));
    }
  });
}
