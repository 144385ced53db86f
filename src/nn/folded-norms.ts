// Batch norms that only scale and shift by stored numbers, computed as part of the convolution before them: one pass over the
// activations less for each. Asked for with `foldNorms`, for networks that are evaluated without gradients, such as a frozen
// teacher; where anybody looks in between (a hook, a tap), the two are run one after the other as ever.
import { isGradEnabled, keep, noGrad, ops, tidy } from '../torch/index.ts';
import { during } from '../torch/internal.ts';
import type { Tensor } from '../torch/index.ts';
import { BatchNorm, BatchNorm2d } from './layers/batch-norm.ts';
import { Conv2d } from './layers/conv2d.ts';
import { forgetForms, formKey, inForm, stateOf, weightForm } from './layers/weight-transform.ts';
import type { WeightForm } from './layers/weight-transform.ts';
import type { Layer, Module } from './module.ts';

let folding = false;

/**
 * Runs `fn` with the batch norms in evaluation mode folded into the convolutions before them, where no gradients are recorded.
 * The results differ from unfolded ones by rounding, some 1e-6 of their size in float32. Folded weights, as large as the
 * convolutions', are kept until the convolution is collected, and made again when a weight or a statistic has changed.
 * @throws {RetortError} when `fn` is asynchronous.
 */
export function foldNorms<T>(fn: () => T): T {
  return during('foldNorms', fn, { enter: () => setFolding(true), leave: setFolding });
}

/** Returns how it was before. */
function setFolding(value: boolean): boolean {
  const before = folding;
  folding = value;
  return before;
}

/** Layers one after the other; a convolution and a batch norm behind it as one inside {@link foldNorms}. */
export function runLayers(layers: Iterable<Layer>, input: Tensor): Tensor {
  let x = input;
  if (!folding || isGradEnabled()) {
    for (const layer of layers) x = layer.forward(x);
    return x;
  }
  const list = [...layers];
  for (let i = 0; i < list.length; i++) {
    const [layer, next] = [list[i]!, list[i + 1]];
    const together = next !== undefined && foldable(layer, next) ? convolveFolded(layer, next, x) : undefined;
    if (together !== undefined) i++;
    x = together ?? layer.forward(x);
  }
  return x;
}

const { forward: convolution } = Conv2d.prototype;
const { forward: normalization } = BatchNorm.prototype;

/** A pair whose middle nobody sees: no hooks, and methods as they were written. */
function foldable(layer: Layer, next: Layer): boolean {
  if (!(layer instanceof Conv2d && next instanceof BatchNorm2d) || layer.outChannels !== next.numFeatures) return false;
  if (next.training || next.running_mean === null || layer.isHooked || next.isHooked) return false;
  return forwardOf(layer) === convolution && forwardOf(next) === normalization;
}

function forwardOf(layer: Layer): unknown {
  return (Object.getPrototypeOf(layer) as Layer).forward;
}

/** Undefined where it cannot be done: the layers themselves then say why. */
function convolveFolded(conv: Layer, norm: Layer, input: Tensor): Tensor | undefined {
  if (input.shape.length !== 4 || input.shape[1] !== (conv as Conv2d).inChannels) return undefined;
  const form = weightForm();
  // Where weights are rounded, autocast rounds what comes in.
  if (form.dtype === undefined && input.dtype !== (conv as Conv2d).weight.dtype) return undefined;
  const { weight, bias } = folded(conv as Conv2d, norm as BatchNorm2d, form);
  return tidy(() => (conv as Conv2d).convolve(input, weight, bias));
}

interface Folded {
  /** What it was made from, and the state it had. */
  sources: readonly (Tensor | null)[];
  state: readonly unknown[];
  weight: Tensor;
  bias: Tensor;
}

/** By the form of the weights. */
const made = new WeakMap<Conv2d, Map<string, Folded>>();

function folded(conv: Conv2d, norm: BatchNorm, form: WeightForm): Folded {
  const sources = [conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var];
  // Norms that measure count batches; their statistics move without a trace in the version counters.
  const state = [norm.eps, ...[...sources, norm.num_batches_tracked].map(stateOf)];
  const forms = made.get(conv) ?? new Map<string, Folded>();
  const before = forms.get(formKey(form));
  const current =
    before !== undefined &&
    before.sources.every((source, i) => source === sources[i]) &&
    before.state.every((value, i) => value === state[i]);
  if (current) return before;
  if (before !== undefined) free(before);
  const entry = { sources, state, ...fold(conv, norm, form) };
  made.set(conv, forms.set(formKey(form), entry));
  return entry;
}

function free({ weight, bias }: Folded): void {
  weight.dispose();
  bias.dispose();
}

/** Frees what is kept of the weights of a network in other forms than this one, folded or not; undefined frees all. */
export function forgetWeightForms(network: Module, except: WeightForm | undefined): void {
  for (const module of network.modules()) {
    const forms = module instanceof Conv2d ? made.get(module) : undefined;
    for (const [key, entry] of forms ?? []) {
      if (except !== undefined && key === formKey(except)) continue;
      free(entry);
      forms!.delete(key);
    }
  }
  for (const weight of network.parameters()) forgetForms(weight, except ?? {});
}

/** `W scale` and `(b - mean) scale + shift`, where `scale = gamma / sqrt(var + eps)`; in float64, then rounded once. */
function fold(conv: Conv2d, norm: BatchNorm, form: WeightForm): { weight: Tensor; bias: Tensor } {
  return noGrad(() =>
    tidy(() => {
      const wide = (tensor: Tensor | null): Tensor | undefined => tensor?.to('float64');
      const deviation = wide(norm.running_var)!.add(norm.eps).sqrt();
      const scale = (wide(norm.weight) ?? ops.onesLike(deviation)).div(deviation); // (outChannels)
      const mean = wide(norm.running_mean)!;
      const centered = conv.bias === null ? mean.neg() : wide(conv.bias)!.sub(mean);
      const shifted = centered.mul(scale).add(wide(norm.bias) ?? ops.zerosLike(deviation));
      const weight = conv.weight.to('float64').mul(scale.view([-1, 1, 1, 1])); // (outChannels, inChannels / groups, h, w)
      const { dtype } = conv.weight;
      return {
        weight: keep(inForm(weight.to(form.dtype ?? dtype), form)),
        bias: keep(shifted.to(form.dtype ?? dtype)),
      };
    }),
  );
}
