// What a layer computes with in place of its weight, where that is asked for: the weight itself stays what is trained and saved.
import type { Tensor } from '../../torch/index.ts';

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
  return transforms.get(layer)?.(weight) ?? weight;
}
