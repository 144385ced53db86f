// Values that are not finite (NaN, infinite) end training before they reach the weights or the disk: losses, gradients, weights,
// running statistics, state of optimizers and hooks. Errors name the step, and where the trouble was first seen.
import { RetortError } from '../errors.ts';
import type { Module, UpdateRequest } from '../nn/index.ts';
import { callOperator, grad, gradsOf, noGrad, ops, Tensor, tensorsIn, tidy } from '../torch/index.ts';
import type { HookHandle } from '../torch/index.ts';
import type { Hook } from './hooks/index.ts';
import type { OptimizedPart } from './optimized-part.ts';
import type { Trainable } from './trainable.ts';

const isFloat = ({ dtype }: Tensor): boolean => /float/.test(dtype);

/** Which of some tensors hold a value that is not finite: one reduction over each, one number read when all are fine. */
function nonFinite<T extends Tensor>(tensors: readonly T[]): T[] {
  const floats = tensors.filter((tensor) => isFloat(tensor) && tensor.numel > 0);
  if (floats.length === 0) return [];
  return noGrad(() =>
    tidy(() => {
      // The norm of the largest entry overflows for no finite tensor, and NaN goes through it.
      const largest = (callOperator('_foreach_norm', [floats, Infinity]) as Tensor[]).map((norm) => norm.to('float64'));
      const all = ops.stack(largest);
      if (all.isfinite().all().item() === 1) return [];
      const values = all.data();
      return floats.filter((_, i) => !Number.isFinite(Number(values[i])));
    }),
  );
}

/** `a, b, c and 5 more` */
function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

/** The paths of the parameters of a module. */
function namesOf(root: Module): ReadonlyMap<Tensor, string> {
  return new Map<Tensor, string>([...root.namedParameters()].map(([name, parameter]) => [parameter, name]));
}

/** A gradient that is not finite, found before the optimizer stepped. The trainer says the rest. */
export class NonFiniteGradient extends RetortError {
  readonly parameters: readonly Tensor[];
  constructor(parameters: readonly Tensor[]) {
    super(`the gradients of ${parameters.length} parameters are not finite`, { code: 'not-finite' });
    this.parameters = parameters;
  }
}

/** Which parameters have a gradient that is not finite. */
export function nonFiniteGradients(parameters: readonly Tensor[]): Tensor[] {
  return tidy(() => {
    const gradients = gradsOf(parameters);
    const wrong = new Set(nonFinite(gradients.filter((gradient) => gradient !== null)));
    return parameters.filter((_, i) => gradients[i] !== null && wrong.has(gradients[i]!));
  });
}

/** A module that knows more about outputs that are not finite, such as a distillation loss. */
interface Explaining {
  /** @param args what its forward was given */
  explainNonFinite(...args: readonly unknown[]): string | undefined;
}

function explained(module: Module, args: readonly unknown[]): string {
  const why = 'explainNonFinite' in module ? (module as Module & Explaining).explainNonFinite(...args) : undefined;
  return why === undefined ? '' : `: ${why}`;
}

/**
 * The first place where a number went wrong: a parameter, or the output of a module whose inputs were fine.
 * @param run computes the losses once more; the modules below `root` are watched meanwhile.
 */
export function firstNonFinite(root: Trainable, run: () => void): string | undefined {
  const frozen = new Set(root.frozen().flatMap((module) => module.modules()));
  const [parameter] = [...root.namedParameters()].filter(([, one]) => nonFinite([one]).length > 0);
  if (parameter !== undefined) return `parameter ${parameter[0]}, before this step`;
  let found: string | undefined;
  const hooks: HookHandle[] = [];
  for (const [name, module] of root.namedModules()) {
    if (name === '') continue;
    // A frozen teacher may rule classes out with -Infinity: that by itself is no trouble.
    const fine = (value: unknown): boolean =>
      nonFinite(tensorsIn(value)).every(
        (tensor) => frozen.has(module) && tensor.isnan().logicalOr(tensor.isposinf()).any().item() === 0,
      );
    hooks.push(
      module.registerForwardHook((_module, args, output) => {
        // Modules end from the inside out: the first one seen is the innermost.
        if (found !== undefined || noGrad(() => tidy(() => fine(output)))) return;
        const from = noGrad(() => tidy(() => fine(args)))
          ? 'from finite inputs'
          : 'from inputs that were not finite already';
        const whose = frozen.has(module)
          ? ', which is frozen: look at its checkpoint and at the images it is given'
          : '';
        found = `output of ${name} (${module.constructor.name}), ${from}${whose}${explained(module, args)}`;
      }),
    );
  }
  try {
    noGrad(() => tidy(run));
  } catch {
    // It does not come out the same a second time; what was seen until then is said.
  } finally {
    for (const hook of hooks) hook.remove();
  }
  return found;
}

/** Which of the losses of an update have a gradient that is not finite when differentiated alone. */
function culprits({ entries, total }: UpdateRequest, parameters: readonly Tensor[]): string[] {
  const single = Object.entries(entries).filter(([, loss]) => loss !== total && loss.requiresGrad);
  return single
    .filter(([, loss]) => {
      const gradients = grad([loss], parameters, { allowUnused: true, retainGraph: true });
      return nonFinite(gradients.filter((gradient) => gradient !== null)).length > 0;
    })
    .map(([name]) => name);
}

/**
 * The error of a step whose gradients are not finite although its losses are.
 * @param again makes the updates of the last batch once more, without moving anything; undefined: it cannot.
 */
export function gradientError(
  where: string,
  { parameters }: NonFiniteGradient,
  {
    root,
    losses,
    again,
  }: {
    root: Module;
    losses: Readonly<Record<string, number>>;
    again: (update: (request: UpdateRequest) => void) => void;
  },
): RetortError {
  const names = namesOf(root);
  const wrong = parameters.map((parameter, i) => names.get(parameter) ?? `parameter ${i} of the optimizer`);
  const from = new Set<string>();
  try {
    tidy(() =>
      again((request) => {
        for (const name of culprits(request, parameters)) from.add(name);
      }),
    );
  } catch {
    // It does not come out the same a second time; what is known is said.
  }
  const values = Object.entries(losses).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  const source = from.size === 0 ? '' : `, from ${listed([...from])}`;
  return new RetortError(
    `${where}: the gradient of ${listed(wrong)} is not finite${source}, although the losses are (${values.join(', ')}); no weight was updated`,
    {
      code: 'not-finite',
      help: 'a square root, a logarithm or a division at 0 in your own loss causes that: add a small eps; otherwise lower the learning rate, or the weight of that loss',
    },
  );
}

/**
 * @param elsewhere whether a loss of another process is not finite: then all end together.
 * @throws {RetortError} unless all losses are finite; `explain` is asked where the trouble began.
 */
export function requireFinite(
  losses: Readonly<Record<string, number>>,
  where: string,
  { explain, elsewhere }: { explain: () => string | undefined; elsewhere: (here: boolean) => boolean },
): void {
  const wrong = Object.entries(losses).filter(([, value]) => !Number.isFinite(value));
  if (!elsewhere(wrong.length > 0)) return;
  if (wrong.length === 0)
    throw new RetortError(`${where}: a loss of another process is not finite; its output names the loss`, {
      code: 'not-finite',
    });
  const named = wrong.map(([name, value]) => `${name} is ${value}`).join(', ');
  const first = explain();
  throw new RetortError(`${where}: ${named}${first === undefined ? '' : `; first seen in ${first}`}`, {
    code: 'not-finite',
    help: 'lower the learning rate, warm it up, clip gradients (maxGradNorm), or lower the weight of that loss',
  });
}

/** What training changes: trained weights, buffers such as running statistics, state of optimizers and hooks. */
interface Changing {
  algorithm: Trainable;
  parts: ReadonlyMap<string, OptimizedPart>;
  hooks: readonly Hook[];
}

type Named = readonly (readonly [name: string, tensor: Tensor])[];

function trainedWeights({ algorithm, parts }: Changing): Named {
  const names = namesOf(algorithm);
  const trained = [...parts.values()].flatMap(({ optimizer }) => optimizer.parameters());
  return trained.map((parameter, i) => [names.get(parameter) ?? `parameter ${i} of the optimizer`, parameter]);
}

function rest({ algorithm, parts, hooks }: Changing): Named {
  const frozen = new Set<Tensor>(algorithm.frozen().flatMap((module) => module.buffers()));
  const buffers = [...algorithm.namedBuffers()].filter(([, buffer]) => !frozen.has(buffer));
  const tensorsOf = (entries: Readonly<Record<string, unknown>>, of: string): Named =>
    Object.entries(entries).flatMap(([name, value]) => (value instanceof Tensor ? [[`${name} of ${of}`, value]] : []));
  const states = [...parts.values()].flatMap(({ optimizer }) =>
    Object.entries(optimizer.stateDict().state).flatMap(([i, entries]) =>
      tensorsOf(entries, `the optimizer's parameter ${i}`),
    ),
  );
  const remembered = hooks.flatMap((hook) => tensorsOf(hook.stateDict?.().tensors ?? {}, hook.name));
  return [...buffers, ...states, ...remembered];
}

function bad(named: Named): string[] {
  const found = new Set(nonFinite(named.map(([, tensor]) => tensor)));
  return named.filter(([, tensor]) => found.has(tensor)).map(([name]) => name);
}

/** Refuses to go on, or to save, when something that training changes is not finite. */
export class FiniteState {
  readonly #state: Changing;
  /** What was so from the beginning and is meant, such as masks of -Infinity. */
  readonly #meant: ReadonlySet<string>;

  /** @throws {RetortError} when weights that are to be trained are not finite. */
  constructor(state: Changing) {
    this.#state = state;
    const wrong = bad(trainedWeights(state));
    if (wrong.length > 0) {
      throw new RetortError(`Trainer: before the first step, ${listed(wrong)} ${areNot(wrong)} finite`, {
        code: 'not-finite',
        help: 'check the checkpoint or the initialization that the weights come from',
      });
    }
    this.#meant = new Set(bad(rest(state)));
  }

  /** @throws {RetortError} which names what is not finite; to be called before anything is saved or handed on. */
  require(where: string): void {
    const wrong = bad([...trainedWeights(this.#state), ...rest(this.#state)]).filter((name) => !this.#meant.has(name));
    if (wrong.length === 0) return;
    throw new RetortError(`${where}: ${listed(wrong)} ${areNot(wrong)} finite; this state was not saved`, {
      code: 'not-finite',
      help: 'the files of the run hold the last finite state; lower the learning rate, warm it up, or clip gradients (maxGradNorm)',
    });
  }
}

const areNot = ({ length }: readonly string[]): string => (length === 1 ? 'is not' : 'are not');

/** Frozen parameters that are not finite, by name. */
export function nonFiniteFrozen(algorithm: Trainable): string[] {
  const frozen = new Set<Tensor>(algorithm.frozen().flatMap((module) => module.parameters()));
  return bad([...algorithm.namedParameters()].filter(([, parameter]) => frozen.has(parameter)));
}
