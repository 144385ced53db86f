// The tensors a module owns: parameters, which are trained, and buffers, which are only kept.
import { keep, Tensor } from '../torch/index.ts';
import { detachedHandle } from '../torch/internal.ts';

export interface ParameterOptions {
  /** Default true. */
  requiresGrad?: boolean;
}

/** A tensor that is trained: as a property of a module it appears in `parameters()` and in the state dict. Shares the memory of `data`. */
export class Parameter extends Tensor {
  constructor(data: Tensor, options: ParameterOptions = {}) {
    super(detachedHandle(data));
    keep(this);
    this.requiresGrad_(options.requiresGrad ?? true);
  }
}

export interface BufferOptions {
  /** Whether it belongs to the state dict. Default true. */
  persistent?: boolean;
  /** Whether a strict load refuses a state dict that lacks it. Default true. */
  required?: boolean;
}

/** A tensor that is kept but not trained, such as the running mean of a batch norm. Shares the memory of `data`. */
export class Buffer extends Tensor {
  readonly persistent: boolean;
  readonly required: boolean;

  constructor(data: Tensor, options: BufferOptions = {}) {
    super(detachedHandle(data));
    keep(this);
    this.persistent = options.persistent ?? true;
    this.required = options.required ?? true;
  }
}
