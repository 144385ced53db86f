// How networks are run whose losses nobody asks for, such as frozen teachers: as `forward(inputs)`, so that no labels are needed and
// labels that they do not know are no matter. Where a recorder or a delivery taps what only the computation of losses calls, they are
// computed after all.
import { RetortError } from '../../errors.ts';
import { withSamples } from '../../nn/index.ts';
import type { Inputs, LossModel, Module, Network, Outputs, Targets } from '../../nn/index.ts';
import { getRandomState, noGrad, setRandomState, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sourcesOf } from '../distillers/index.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';

type Side = 'student' | 'teacher';

/** Options of {@link QuietPass}. */
export interface QuietPassOptions {
  distiller: ConfigurableDistiller;
  /** Whose recorders see the networks. */
  sides: readonly Side[];
  /** What is run. */
  networks: Module;
  /**
   * Whether networks compute their losses: `'where tapped'` a recorder or a delivery needs it, `'always'`, as the original does, or
   * `'never'`, where losses stand outside of the networks.
   */
  losses: 'where tapped' | 'always' | 'never';
}

/** Runs a network on what it sees; its losses are computed where the pass needs that. */
export type RunNetwork = (network: Network, inputs: Inputs, targets: Targets) => Outputs;

const plainly: RunNetwork = (network, inputs) => network.forward(inputs);
const withLosses: RunNetwork = (network, inputs, targets) =>
  (network as LossModel).forward(inputs, withSamples(targets), 'loss');

/**
 * Runs networks whose own losses are not wanted: without computing them, unless a recorder or a delivery taps what only that calls.
 * @internal
 */
export class QuietPass {
  readonly #options: QuietPassOptions;
  /** Undefined before the first pass. */
  #run: RunNetwork | undefined;

  constructor(options: QuietPassOptions) {
    const { distiller, sides, losses } = options;
    this.#options = options;
    if (losses === 'never') this.#run = plainly;
    else if (losses === 'always' || countsCalls(distiller, sides)) this.#run = withLosses;
  }

  /** Runs networks: `pass` is to call each of them by the function it is given, inside the recorders. */
  run<T>(pass: (run: RunNetwork) => T): T {
    if (this.#run !== undefined) return pass(this.#run);
    const { distiller, sides, networks } = this.#options;
    const undo = undoing(networks);
    const result = pass(plainly);
    const recorders = sides.flatMap((side) => [...managerOf(distiller, side).recorders.values()]);
    this.#run = recorders.every(({ length }) => length > 0) ? plainly : withLosses;
    if (this.#run === plainly) return result;
    undo();
    return pass(this.#run);
  }
}

const managerOf = (distiller: ConfigurableDistiller, side: Side) =>
  side === 'student' ? distiller.studentRecorders : distiller.teacherRecorders;

/** Whether it matters how often networks call something: deliveries, and records of later calls. */
function countsCalls(distiller: ConfigurableDistiller, sides: readonly Side[]): boolean {
  if (distiller.deliveries.size > 0) return true;
  const mappings = Object.values(distiller.mappings).flatMap((mapping) => Object.values(mapping));
  return mappings
    .flatMap(sourcesOf)
    .some(
      (source) =>
        'recorder' in source &&
        sides.includes(source.fromStudent ? 'student' : 'teacher') &&
        (source.recordIdx ?? 0) !== 0,
    );
}

/** A pass may take random numbers, and move statistics of norms: the returned function undoes that. */
function undoing(networks: Module): () => void {
  const random = getRandomState();
  const moving = networks.modules().some(({ training }) => training);
  const buffers: (readonly [Tensor, Tensor])[] = moving
    ? networks.buffers().map((buffer) => [buffer, noGrad(() => buffer.clone())])
    : [];
  return () => {
    setRandomState(random);
    noGrad(() => tidy(() => buffers.forEach(([buffer, before]) => void buffer.copy_(before))));
  };
}

/** What goes wrong in `body` is said to be of `who`, such as `the teacher`. */
export function namingErrors<T>(who: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RetortError) error.prefix(who);
    throw error;
  }
}
