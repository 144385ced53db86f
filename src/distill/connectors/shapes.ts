// Checks of what connectors are given; the errors name the connector, the argument, what was expected and what came.
import { showShape as shown } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import { Tensor } from '../../torch/index.ts';

export { shown };

/** @throws {RetortError} unless `x` is a tensor. */
export function requireTensor(connector: string, x: unknown): asserts x is Tensor {
  if (x instanceof Tensor) return;
  const given = Array.isArray(x) ? `an array of ${x.length}` : x === null ? 'null' : typeof x;
  throw new RetortError(`${connector}: x: expected a tensor, got ${given}`, {
    help: Array.isArray(x)
      ? 'pick one of them with dataIdx in the mapping'
      : 'record a module or function that returns a tensor',
  });
}

/** @throws {RetortError} unless `x` is `(N, channels, H, W)`; `option` is what says how many channels. */
export function requireMap(connector: string, x: unknown, channels: number, option: string): asserts x is Tensor {
  requireTensor(connector, x);
  const { shape } = x;
  if (shape.length === 4 && shape[1] === channels) return;
  throw new RetortError(`${connector}: x: expected shape [N, ${channels}, H, W], got ${shown(shape)}`, {
    help:
      shape.length === 4
        ? `make ${option} fit the ${shape[1]} channels, or record another module`
        : 'record a module that returns feature maps (N, C, H, W)',
  });
}

/** What libtorch and layers refuse a tensor with. */
const ofShapes: readonly string[] = ['engine', 'invalid-argument', 'mismatch'];

/** Runs `body`; what libtorch or a layer refuses about `x` becomes the connector's own error. Others, such as no memory, stay what they are. */
export function fitting<T>(connector: string, x: Tensor, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    if (!ofShapes.includes(error.code)) {
      error.prefix(connector);
      throw error;
    }
    const [reason] = error.what.split('\n');
    throw new RetortError(`${connector}: x: shape ${shown(x.shape)} does not fit: ${reason}`, {
      cause: error,
      help: error.help ?? 'change the options, or record another module',
    });
  }
}
