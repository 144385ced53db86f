// What the connectors that run a layer by its name share: its arguments, checked by the layer's own schema.
import { buildLayer } from '../../nn/index.ts';
import type { Layer, layers } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

export type Arguments = Readonly<Record<string, unknown>>;

/** Names of layers. */
export type LayerName = keyof typeof layers.entries;

/**
 * The layer of that name. Whether `inplace` among its arguments is followed is for the caller to say: what is recorded is read by
 * others too.
 */
export function buildChosen(type: LayerName, args: Arguments, { inplace }: { inplace: boolean }): Layer {
  return buildLayer({ ...args, ...('inplace' in args && !inplace ? { inplace: false } : {}), type });
}

/** The dimension that PyTorch's softmax takes when none is given. */
export function impliedDim(x: Tensor): number {
  return [0, 1, 3].includes(x.ndim) ? 0 : 1;
}
