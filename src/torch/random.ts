// Random numbers: the global seed, and independent generators whose state can be saved and put back.
import { RetortError } from '../errors.ts';
import { isCuda, requireDevice } from './device.ts';
import { deviceNumbers } from './dtype.ts';
import type { Device } from './dtype.ts';
import { native } from './native.ts';
import { selectScope } from './scope.ts';
import { liveHandle, Tensor } from './tensor.ts';

function seedOf(seed: number | bigint, where: string): bigint {
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RetortError(`${where}: seed: expected an integer, got ${seed}`);
  }
  return BigInt.asUintN(64, BigInt(seed));
}

/** Seeds the global generator, and those of CUDA devices: the same numbers follow as after `torch.manual_seed` in Python. */
export function manualSeed(seed: number | bigint): void {
  native().manualSeed(seedOf(seed, 'manualSeed'));
}

/**
 * A random stream (CPU) that is independent of the global one.
 *
 * @example
 * ```ts
 * const generator = new Generator(7);
 * const noise = rand([3], { generator });
 * ```
 */
export class Generator {
  /** The addon's number; -1 is the global generator. */
  readonly index: number;
  /** Its collection frees the generator. */
  readonly box: object;

  constructor(seed: number | bigint = 0) {
    this.index = native().createGenerator(seedOf(seed, 'Generator'));
    this.box = native().boxGenerator(this.index);
  }

  manualSeed(seed: number | bigint): this {
    native().seedGenerator(this.index, seedOf(seed, 'Generator.manualSeed'));
    return this;
  }

  /** The whole state, `uint8 (n,)`. */
  getState(): Tensor {
    return stateOf(this.index);
  }

  /** Puts back what {@link getState} gave. */
  setState(state: Tensor): void {
    native().setGeneratorState(this.index, liveHandle(state));
  }
}

function stateOf(index: number): Tensor {
  selectScope();
  return new Tensor(native().generatorState(index));
}

/** The state of the global generator, `uint8 (n,)`; of a CUDA device that of its own. */
export function getRandomState(device: Device = 'cpu'): Tensor {
  const cuda = cudaIndex(device, 'getRandomState');
  if (cuda === undefined) return stateOf(-1);
  selectScope();
  return new Tensor(native().cudaRandomState(cuda));
}

/** Puts back the state of the global generator that {@link getRandomState} gave. */
export function setRandomState(state: Tensor, device: Device = 'cpu'): void {
  const cuda = cudaIndex(device, 'setRandomState');
  if (cuda === undefined) native().setGeneratorState(-1, liveHandle(state));
  else native().setCudaRandomState(cuda, liveHandle(state));
}

function cudaIndex(device: Device, where: string): number | undefined {
  return isCuda(requireDevice(device, `${where}: device`)) ? Math.max(0, deviceNumbers(device)![1]) : undefined;
}
