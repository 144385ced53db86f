// Loading a state dict: everything is checked first, every mistake is reported at once, nothing is half loaded.
import { nearest, RetortError } from '../errors.ts';
import { noGrad, tidy, Tensor } from '../torch/index.ts';
import type { Module } from './module.ts';
import { Buffer } from './parameter.ts';

export interface LoadOptions {
  /** Missing and unknown names are errors. Default true. */
  strict?: boolean;
}

export interface LoadReport {
  /** Names the module has and the state does not. */
  missing: string[];
  /** Names the state has and the module does not. */
  unexpected: string[];
}

const shownAtMost = 8;

/** See {@link Module.loadStateDict}. */
export function loadState(module: Module, state: Readonly<Record<string, Tensor>>, options: LoadOptions): LoadReport {
  const { strict = true } = options;
  for (const [path, part] of module.namedModules({ removeDuplicate: false })) {
    const prefix = path === '' ? '' : `${path}.`;
    part.expectState((name) => (Object.hasOwn(state, prefix + name) ? state[prefix + name] : undefined));
  }
  const targets = new Map<string, Tensor>(module.namedParameters({ removeDuplicate: false }));
  for (const [name, buffer] of module.namedBuffers({ removeDuplicate: false })) {
    if (buffer.persistent) targets.set(name, buffer);
  }
  const given = Object.keys(state);
  const missing = [...targets].flatMap(([name, target]) =>
    Object.hasOwn(state, name) || (target instanceof Buffer && !target.required) ? [] : [name],
  );
  const unexpected = given.filter((name) => !targets.has(name));
  const mistakes: string[] = [];
  for (const [name, target] of targets) {
    const value = Object.hasOwn(state, name) ? state[name] : undefined;
    if (value === undefined) continue;
    if (!(value instanceof Tensor)) {
      mistakes.push(`"${name}" is no tensor`);
    } else if (value.shape.join() !== target.shape.join()) {
      mistakes.push(`"${name}" has shape [${value.shape.join(', ')}], the module's is [${target.shape.join(', ')}]`);
    }
  }
  if (strict && missing.length > 0) mistakes.push(`missing: ${shortened(missing)}`);
  if (strict && unexpected.length > 0)
    mistakes.push(`not in the module: ${shortened(unexpected)}${hint(unexpected, missing)}`);
  if (mistakes.length > 0) {
    throw new RetortError(`${module.constructor.name}.loadStateDict:\n    ${mistakes.join('\n    ')}`, {
      help: strict
        ? 'load a checkpoint of this architecture, or pass { strict: false } to load what fits by name'
        : 'drop the entries whose shapes differ',
    });
  }
  noGrad(() =>
    tidy(() => {
      for (const [name, target] of targets) {
        if (Object.hasOwn(state, name)) target.copy_(state[name]!);
      }
    }),
  );
  return { missing, unexpected };
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
