// Loading a state dict: everything is checked first, every mistake is reported at once, nothing is half loaded.
import { nearest, RetortError } from '../errors.ts';
import { noGrad, tidy, Tensor } from '../torch/index.ts';
import type { Module } from './module.ts';
import { Buffer } from './parameter.ts';

export interface LoadOptions {
  /** Missing and unknown names are errors. Default true. */
  strict?: boolean;
  /**
   * Whether the values are those of a trained network: {@link initialWeights} then no longer names what they fill. Default true.
   */
  trained?: boolean;
}

export interface LoadReport {
  /** Names the module has and the state does not. */
  missing: string[];
  /** Names the state has and the module does not. */
  unexpected: string[];
}

const shownAtMost = 8;

/** Parameters and buffers that hold the values of a trained network. */
const trainedTensors = new WeakSet<Tensor>();

/** See {@link Module.loadStateDict}. */
export function loadState(module: Module, state: Readonly<Record<string, Tensor>>, options: LoadOptions): LoadReport {
  const { strict = true, trained = true } = options;
  for (const [path, part] of module.namedModules({ removeDuplicate: false })) {
    const prefix = path === '' ? '' : `${path}.`;
    part.expectState((name) => (Object.hasOwn(state, prefix + name) ? state[prefix + name] : undefined));
  }
  const targets = targetsOf(module);
  const given = (name: string): Tensor | undefined => (Object.hasOwn(state, name) ? state[name] : undefined);
  const filled = new Set([...targets].filter(([name]) => given(name) !== undefined).map(([, target]) => target));
  // Tied weights are one tensor under several names: one of the names is enough.
  const missing = [...targets]
    .filter(([, target]) => !filled.has(target) && !(target instanceof Buffer && !target.required))
    .map(([name]) => name);
  const unexpected = Object.keys(state).filter((name) => !targets.has(name));
  const mistakes = [...shapeMistakes(targets, given), ...tiedMistakes(targets, given)];
  if (strict && missing.length > 0) mistakes.push(`missing: ${shortened(missing)}`);
  if (strict && unexpected.length > 0)
    mistakes.push(`not in the module: ${shortened(unexpected)}${hint(unexpected, missing)}`);
  if (mistakes.length > 0) {
    throw new RetortError(`${module.constructor.name}.loadStateDict:\n    ${mistakes.join('\n    ')}`, {
      code: 'mismatch',
      help: strict
        ? 'load a checkpoint of this architecture, or pass { strict: false } to load what fits by name'
        : 'drop the entries whose shapes differ',
    });
  }
  noGrad(() =>
    tidy(() => {
      for (const [name, target] of targets) {
        const value = given(name);
        if (value === undefined) continue;
        target.copy_(value);
        if (trained) trainedTensors.add(target);
      }
    }),
  );
  return { missing, unexpected };
}

/** Parameters and persistent buffers under all their names. */
function targetsOf(module: Module): Map<string, Tensor> {
  const targets = new Map<string, Tensor>(module.namedParameters({ removeDuplicate: false }));
  for (const [name, buffer] of module.namedBuffers({ removeDuplicate: false })) {
    if (buffer.persistent) targets.set(name, buffer);
  }
  return targets;
}

type Lookup = (name: string) => Tensor | undefined;

function shapeMistakes(targets: ReadonlyMap<string, Tensor>, given: Lookup): string[] {
  const mistakes: string[] = [];
  for (const [name, target] of targets) {
    const value = given(name);
    if (value === undefined) continue;
    if (!(value instanceof Tensor)) mistakes.push(`"${name}" is not a tensor`);
    else if (value.shape.join() !== target.shape.join())
      mistakes.push(`"${name}" has shape [${value.shape.join(', ')}], the module's is [${target.shape.join(', ')}]`);
  }
  const more = mistakes.length - shownAtMost;
  return more > 1 ? [...mistakes.slice(0, shownAtMost), `... and ${more} more of another shape`] : mistakes;
}

/** Names of one tensor of the module for which the state has different values. */
function tiedMistakes(targets: ReadonlyMap<string, Tensor>, given: Lookup): string[] {
  const first = new Map<Tensor, string>();
  const mistakes: string[] = [];
  for (const [name, target] of targets) {
    const value = given(name);
    if (!(value instanceof Tensor)) continue;
    const other = first.get(target);
    if (other === undefined) first.set(target, name);
    else if (!tidy(() => value.shape.join() !== target.shape.join() || value.equal(given(other)!))) {
      mistakes.push(
        `"${name}" and "${other}" are one tensor in the module (tied weights), but differ in the state dict`,
      );
    }
  }
  return mistakes;
}

function shortened(names: readonly string[]): string {
  const shown = names.slice(0, shownAtMost).join(', ');
  return names.length > shownAtMost ? `${shown}, ... (${names.length} in all)` : shown;
}

/** A prefix that would make the names fit (a checkpoint of a whole algorithm, of a DDP wrapper), or a near name. */
function hint(unexpected: readonly string[], missing: readonly string[]): string {
  const [first] = unexpected;
  const wanted = new Set(missing);
  for (const name of unexpected) {
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      if (wanted.has(name.slice(dot + 1))) return ` (they would fit without "${name.slice(0, dot + 1)}")`;
    }
  }
  const near = first === undefined ? [] : nearest(first, missing);
  return near.length > 0 ? ` ("${first}": did you mean "${near[0]}"?)` : '';
}

/** Says that a module's weights are those of a trained network, where they came there in another way than by a state dict. */
export function markTrained(module: Module): void {
  for (const tensor of targetsOf(module).values()) trainedTensors.add(tensor);
}

/**
 * What of a module still has the weights it was made with, as no state dict has filled it: the paths of modules that have nothing
 * else (`''` is the module itself), and of single tensors in modules that have both.
 * @param counts which tensors are looked at. Default: parameters, and buffers that a state dict must have.
 */
export function initialWeights(
  module: Module,
  counts: (tensor: Tensor) => boolean = (tensor) => !(tensor instanceof Buffer) || tensor.required,
): string[] {
  const fresh = new Map<string, boolean>();
  for (const [name, target] of targetsOf(module)) {
    if (counts(target)) fresh.set(name, !trainedTensors.has(target));
  }
  const visit = (part: Module, path: string): string[] => {
    const prefix = path === '' ? '' : `${path}.`;
    const inside = [...fresh].filter(([name]) => name.startsWith(prefix));
    if (inside.every(([, isFresh]) => !isFresh)) return [];
    if (inside.every(([, isFresh]) => isFresh)) return [path];
    const children = [...part.namedChildren()];
    const own = inside.filter(
      ([name, isFresh]) => isFresh && !children.some(([child]) => name.startsWith(`${prefix}${child}.`)),
    );
    return [...own.map(([name]) => name), ...children.flatMap(([child, one]) => visit(one, `${prefix}${child}`))];
  };
  return visit(module, '');
}
