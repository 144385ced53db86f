// Tensors by the formula of src/models/fixtures/README.md, state dicts filled with them, and what an original printed about tensors.
import { createHash } from 'node:crypto';

import { expect } from 'vitest';

import { noGrad, tensor, tidy } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';

export interface Printed {
  shape: number[];
  sum: number;
  absSum: number;
  /** The first four. */
  first: number[];
}

export type State = Readonly<Record<string, Tensor>>;

/** `scale` times numbers within [-0.5, 0.5) that depend on their index and on `stream` alone, by a hash in 32 bits; float64. */
export function scatteredTensor(shape: readonly number[], stream: number, scale = 1): Tensor {
  const values = new Float64Array(shape.reduce((product, size) => product * size, 1));
  const salt = Math.imul(stream + 1, 2246822519);
  for (let i = 0; i < values.length; i++) {
    let hash = Math.imul(i + 1, 2654435761) ^ salt;
    hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
    values[i] = scale * (((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32 - 0.5);
  }
  return tensor(values, { shape, dtype: 'float64' });
}

/**
 * Fills the tensors of a state dict, entry k in the order of names from stream k: biases and running means with `0.2 u`, running
 * variances and weights of one dimension with `1 + 0.4 u`, other weights with `gain u sqrt(12 / fanIn)`, the rest with `u`.
 */
export function fillScattered(state: State, gain = 1): void {
  noGrad(() => {
    for (const [k, name] of sortedNames(state).entries()) {
      const entry = state[name]!;
      const { shape } = entry;
      const last = name.slice(name.lastIndexOf('.') + 1);
      if (last === 'num_batches_tracked') continue;
      tidy(() => {
        if (last === 'running_mean' || last === 'bias') entry.copy_(scatteredTensor(shape, k, 0.2));
        else if (last === 'running_var' || (last === 'weight' && shape.length === 1)) {
          entry.copy_(scatteredTensor(shape, k, 0.4).add(1));
        } else if (last === 'weight') {
          entry.copy_(scatteredTensor(shape, k, gain * Math.sqrt((12 * shape[0]!) / entry.numel)));
        } else entry.copy_(scatteredTensor(shape, k));
      });
    }
  });
}

/** In the order of their code units. */
function sortedNames(state: State): string[] {
  return Object.keys(state).sort((a, b) => (a < b ? -1 : 1));
}

/** The lines `name:size,size` of a state dict, sorted by name. */
export function stateLines(state: State): string[] {
  return sortedNames(state).map((name) => `${name}:${state[name]!.shape.join(',')}`);
}

/** How many lines there are, and the first 16 digits of their SHA-256. */
export function namesOf(state: State): { entries: number; names: string } {
  const lines = stateLines(state);
  return { entries: lines.length, names: createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16) };
}

/** @param rtol of each number, and of the sum of all absolute values where numbers are small */
export function expectPrinted(actual: Tensor, { shape, sum, absSum, first }: Printed, rtol = 1e-9): void {
  expect(actual.shape).toEqual(shape);
  const numbers = actual.reshape([-1]);
  const got = [
    numbers.sum(),
    numbers.abs().sum(),
    ...Array.from({ length: first.length }, (_, i) => numbers.select(0, i)),
  ];
  const scale = rtol * Math.max(1, absSum);
  expect(got.map((one) => one.item())).toBeAllClose([sum, absSum, ...first], { rtol, atol: scale });
}
