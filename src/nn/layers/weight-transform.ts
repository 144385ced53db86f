// What a layer computes with in place of its weight, where that is asked for: the weight itself stays what is trained and saved.
import { callOperator, isGradEnabled, keep, noGrad, tidy } from '../../torch/index.ts';
import { during } from '../../torch/internal.ts';
import type { Tensor } from '../../torch/index.ts';
import { Parameter } from '../parameter.ts';

type WeightTransform = (weight: Tensor) => Tensor;
type Weighted = object & { readonly weight: Tensor };

const transforms = new WeakMap<Weighted, WeightTransform>();

/** Sets what a layer's weight goes through in each forward; undefined for nothing. */
export function setWeightTransform(layer: Weighted, transform: WeightTransform | undefined): void {
  if (transform === undefined) transforms.delete(layer);
  else transforms.set(layer, transform);
}

/** What a layer computes with. */
export function weightOf(layer: Weighted): Tensor {
  const { weight } = layer;
  const transform = transforms.get(layer);
  if (transform !== undefined) return transform(weight);
  if (form === plainForm || isGradEnabled() || !(weight instanceof Parameter)) return weight;
  return copyOf(weight, form);
}

/** How layers see weights that nobody trains: rounded, laid out in memory. What is left out is as it is. */
export interface WeightForm {
  /** For convolutions and matrix products, which are then to run inside `autocast`. */
  readonly dtype?: 'bfloat16' | undefined;
  /** For weights of four dimensions. */
  readonly memoryFormat?: 'channels_last' | undefined;
}

const plainForm: WeightForm = {};
let form = plainForm;

/**
 * Runs `fn` with convolutions and fully connected layers that compute with copies of their weights in this form, where no gradients
 * are recorded. The weights stay as they are; the copies are kept, and made again when a weight has changed.
 * @throws {RetortError} when `fn` is asynchronous.
 */
export function withWeightForm<T>(wanted: WeightForm, fn: () => T): T {
  return during('withWeightForm', fn, { enter: () => setForm(wanted), leave: setForm });
}

/** Returns the one before. */
function setForm(wanted: WeightForm): WeightForm {
  const before = form;
  form = wanted;
  return before;
}

/** The form that weights have now. */
export function weightForm(): WeightForm {
  return form;
}

/** A form as text. */
export const formKey = ({ dtype, memoryFormat }: WeightForm): string => `${dtype ?? ''} ${memoryFormat ?? ''}`;

/** A tensor in a form; the tensor itself, where it has it. */
export function inForm(tensor: Tensor, { dtype, memoryFormat }: WeightForm): Tensor {
  const rounded = dtype === undefined ? tensor : tensor.to(dtype);
  return memoryFormat === undefined || tensor.ndim !== 4 ? rounded : rounded.contiguous({ memoryFormat });
}

/** Moves with everything that writes into the tensor or puts other numbers under it. */
export function stateOf(tensor: Tensor | null): string {
  return tensor === null ? '' : `${tensor.dtype} ${tensor.device} ${String(callOperator('_version', [tensor]))}`;
}

interface Copy {
  readonly state: string;
  readonly tensor: Tensor;
}

const copies = new WeakMap<Parameter, Map<string, Copy>>();

function copyOf(weight: Parameter, wanted: WeightForm): Tensor {
  if (wanted.dtype === undefined && weight.ndim !== 4) return weight;
  const state = stateOf(weight);
  const key = formKey(wanted);
  let made = copies.get(weight);
  if (made === undefined) copies.set(weight, (made = new Map<string, Copy>()));
  const before = made.get(key);
  if (before?.state === state) return before.tensor;
  before?.tensor.dispose();
  const tensor = noGrad(() => tidy(() => keep(inForm(weight.detach(), wanted))));
  made.set(key, { state, tensor });
  return tensor;
}

/** Frees the copies of a weight in other forms than this one. */
export function forgetForms(weight: Tensor, except: WeightForm): void {
  const made = weight instanceof Parameter ? copies.get(weight) : undefined;
  for (const [key, { tensor }] of made ?? []) {
    if (key === formKey(except)) continue;
    tensor.dispose();
    made!.delete(key);
  }
}
