// Random numbers: the global seed, and independent generators whose state can be saved and put back.
import { RetortError } from '../errors.ts';
import { native } from './native.ts';
import { selectScope } from './scope.ts';
import { liveHandle, Tensor } from './tensor.ts';

function seedOf(seed: number | bigint, where: string): bigint {
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RetortError(`${where}: seed: expected an integer, got ${seed}`);
  }
  return BigInt.asUintN(64, BigInt(seed));
}

/** Seeds the global generator: the same numbers follow as after `torch.manual_seed` in Python. */
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

/** The state of the global generator, `uint8 (n,)`. */
export function getRandomState(): Tensor {
  return stateOf(-1);
}

/** Puts back the state of the global generator that {@link getRandomState} gave. */
export function setRandomState(state: Tensor): void {
  native().setGeneratorState(-1, liveHandle(state));
}
