// How frozen teachers are run: without their losses, which nobody asks for and which refuse labels that a teacher of other classes
// does not know. Where a recorder or a delivery taps what only the computation of losses calls, they are computed after all.
import { RetortError } from '../../errors.ts';
import type { Module } from '../../nn/index.ts';
import { getRandomState, noGrad, setRandomState, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sourcesOf } from '../distillers/index.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';

type Mode = 'tensor' | 'loss';

export class FrozenPass {
  readonly #distiller: ConfigurableDistiller;
  readonly #teachers: Module;
  /** Undefined before the first pass. */
  #mode: Mode | undefined;

  /** @param losses whether losses are to be computed in any case, as the original does */
  constructor(distiller: ConfigurableDistiller, teachers: Module, losses: boolean) {
    this.#distiller = distiller;
    this.#teachers = teachers;
    if (losses || countsCalls(distiller)) this.#mode = 'loss';
  }

  /** Runs the teachers inside their recorders and deliveries. */
  run(pass: (mode: Mode) => void): void {
    const distiller = this.#distiller;
    if (this.#mode === undefined) {
      const undo = undoing(this.#teachers);
      distiller.teacherPass(() => pass('tensor'));
      const recorders = [...distiller.teacherRecorders.recorders.values()];
      this.#mode = recorders.every(({ length }) => length > 0) ? 'tensor' : 'loss';
      if (this.#mode === 'tensor') return;
      undo();
    }
    const mode = this.#mode;
    distiller.teacherPass(() => pass(mode));
  }
}

/** Whether it matters how often the teacher calls something: deliveries, and records of later calls. */
function countsCalls(distiller: ConfigurableDistiller): boolean {
  if (distiller.deliveries.size > 0) return true;
  const mappings = Object.values(distiller.mappings).flatMap((mapping) => Object.values(mapping));
  return mappings
    .flatMap(sourcesOf)
    .some((source) => 'recorder' in source && !source.fromStudent && (source.recordIdx ?? 0) !== 0);
}

/** A pass may take random numbers, and move statistics of norms: the returned function undoes that. */
function undoing(teachers: Module): () => void {
  const random = getRandomState();
  const moving = teachers.modules().some(({ training }) => training);
  const buffers: (readonly [Tensor, Tensor])[] = moving
    ? teachers.buffers().map((buffer) => [buffer, noGrad(() => buffer.clone())])
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
    if (!(error instanceof RetortError)) throw error;
    throw new RetortError(`${who}: ${error.message}`, { cause: error });
  }
}
