// What the connectors that build a layer by its name share: its arguments, checked by the layer itself.
import { RetortError } from '../../errors.ts';
import { buildLayer } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

export type Arguments = Readonly<Record<string, unknown>>;

export interface ChosenOptions {
  /** Whether `inplace` among the arguments is followed. Default false: what is recorded is read by others too. */
  inplace?: boolean;
}

/** The layer of that name. @throws {RetortError} for arguments it does not take; `where` names the caller and its argument. */
export function buildChosen(where: string, type: string, args: Arguments, { inplace = false }: ChosenOptions): Layer {
  try {
    return buildLayer({ ...args, ...('inplace' in args && !inplace ? { inplace: false } : {}), type });
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    throw new RetortError(`${where}: ${error.message.split('\n')[0]}`, {
      cause: error,
      ...(error.help === undefined ? {} : { help: error.help }),
    });
  }
}

/** The dimension that PyTorch's softmax takes when none is given. */
export function impliedDim(x: Tensor): number {
  return [0, 1, 3].includes(x.ndim) ? 0 : 1;
}
