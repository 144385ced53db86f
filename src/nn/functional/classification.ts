// Losses of classifiers.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { probability } from '../arguments.ts';
import type { ReductionOptions } from './reduction.ts';
import { reduced, reductionNumber, requireSameShape } from './reduction.ts';

export interface NLLLossOptions extends ReductionOptions {
  /** `(C)`: a weight for each class; the mean is then divided by the sum of the weights that took part. Default none. */
  weight?: Tensor;
  /** Targets of this class count for nothing. Default -100. */
  ignoreIndex?: number;
}

export interface CrossEntropyOptions extends NLLLossOptions {
  /** So much of each target is spread evenly over all classes; within [0, 1]. Default 0. Szegedy 2016, arXiv 1512.00567. */
  labelSmoothing?: number;
}

/**
 * `-log(softmax(input)[target])`, or with soft targets `-sum_c target_c log(softmax(input)_c)`; the mean over samples by default.
 * @param input logits, `(N, C)`, `(C)` or `(N, C, d1, ...)`.
 * @param target classes, int64 `(N)`, `()` or `(N, d1, ...)`; or probabilities, of the shape of `input`.
 * @throws {RetortError} for a misspelled reduction, a class outside `[0, C)`, or `labelSmoothing` outside [0, 1].
 */
export function crossEntropy(input: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { weight = null, ignoreIndex = -100, labelSmoothing = 0, reduction = 'mean' } = options;
  probability('crossEntropy: labelSmoothing', labelSmoothing);
  const number = reductionNumber('crossEntropy', reduction);
  return ops.crossEntropyLoss(input, target, weight, number, ignoreIndex, labelSmoothing);
}

/**
 * `-weight[target] input[target]`; the mean over samples by default.
 * @param input log-probabilities, `(N, C)`, `(C)` or `(N, C, d1, ...)`.
 * @param target classes, int64 `(N)`, `()` or `(N, d1, ...)`.
 * @throws {RetortError} for a misspelled reduction, or a class outside `[0, C)`.
 */
export function nllLoss(input: Tensor, target: Tensor, options: NLLLossOptions = {}): Tensor {
  const { weight = null, ignoreIndex = -100, reduction = 'mean' } = options;
  return ops.nllLossNd(input, target, weight, reductionNumber('nllLoss', reduction), ignoreIndex);
}

export interface BinaryCrossEntropyOptions extends ReductionOptions {
  /** Of a shape that broadcasts to the input's: weights of the elements. Default none. */
  weight?: Tensor;
  /** Weights of the positive targets, `(C)` or another shape that broadcasts. Default none. */
  posWeight?: Tensor;
}

/**
 * `-weight (posWeight target log(sigmoid(input)) + (1 - target) log(1 - sigmoid(input)))`, without overflow.
 * @param input logits, any shape.
 * @param target probabilities, of the shape of `input`.
 * @throws {RetortError} for a misspelled reduction, or shapes that differ.
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const { weight = null, posWeight = null, reduction = 'mean' } = options;
  const number = reductionNumber('binaryCrossEntropyWithLogits', reduction);
  requireSameShape('binaryCrossEntropyWithLogits', input, target);
  return ops.binaryCrossEntropyWithLogits(input, target, weight, posWeight, number);
}

export interface KLDivOptions {
  /** `'batchmean'` divides the sum by N, the size of dimension 0: the divergence itself. Default `'mean'`, over all elements. */
  reduction?: 'none' | 'batchmean' | 'mean' | 'sum';
  /** The target holds log-probabilities. Default false: probabilities. */
  logTarget?: boolean;
}

/**
 * `p values`, and 0 where `p` is 0, whatever the value: what is impossible adds nothing to an expectation. No gradient comes from
 * there.
 * @param p probabilities, or other factors, of one shape with the values.
 */
export function expectationTerms(p: Tensor, values: Tensor): Tensor {
  return p.mul(values.maskedFill(p.eq(0), 0));
}

/**
 * `p (log p - log q)`: the terms of `KL(p || q)`, 0 where `p` is 0.
 * @param logP @param logQ log-probabilities of one shape; -Infinity is that of probability 0.
 */
export function klTerms(logP: Tensor, logQ: Tensor): Tensor {
  return expectationTerms(logP.exp(), logP.sub(logQ));
}

/**
 * `target (log(target) - input)`: the Kullback-Leibler divergence of `input` from `target`, 0 where the target is 0.
 * @param input log-probabilities, `(N, ...)`.
 * @param target probabilities (or their logarithms), of the shape of `input`.
 * @throws {RetortError} for a misspelled reduction, or shapes that differ.
 */
export function klDiv(input: Tensor, target: Tensor, options: KLDivOptions = {}): Tensor {
  const { reduction = 'mean', logTarget = false } = options;
  reductionNumber('klDiv', reduction === 'batchmean' ? 'sum' : reduction, ['batchmean']);
  requireSameShape('klDiv', input, target);
  const logs = logTarget ? target : target.maskedFill(target.eq(0), 1).log();
  const terms = logTarget ? klTerms(target, input) : expectationTerms(target, logs.sub(input));
  return reduced(terms, reduction);
}
