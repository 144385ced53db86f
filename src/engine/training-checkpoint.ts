// Everything a training run needs to go on as if it had never stopped, in one safetensors file: the networks that change, the
// optimiser's state, the random state as tensors; counters, schedulers and settings as JSON in the metadata.
import { RetortError } from '../errors.ts';
import { loadTensors, saveTensors } from '../nn/index.ts';
import type { Optimizer, OptimizerStateDict, Scheduler, SchedulerState } from '../optim/index.ts';
import { getRandomState, setRandomState, Tensor, tidy } from '../torch/index.ts';
import type { Trainable } from './trainable.ts';

/** Where a run stands: what comes next is step `step` (counted from 0) of epoch `epoch` (counted from 0). */
export interface Position {
  epoch: number;
  step: number;
}

export interface TrainingParts {
  algorithm: Trainable;
  optimizer: Optimizer;
  schedulers: readonly Scheduler[];
}

const format = 'retort-training-1';

interface Meta {
  position: Position;
  schedulers: SchedulerState[];
  paramGroups: OptimizerStateDict['param_groups'];
  /** State of the optimiser that is no tensor, by parameter number. */
  optimizer: Record<string, Record<string, unknown>>;
}

export function saveTraining(path: string, parts: TrainingParts, position: Position): void {
  tidy(() => {
    const tensors: Record<string, Tensor> = { rng: getRandomState() };
    for (const [name, tensor] of Object.entries(changing(parts.algorithm))) tensors[`model.${name}`] = tensor;
    const { state, param_groups: paramGroups } = parts.optimizer.stateDict();
    const optimizer: Meta['optimizer'] = {};
    for (const [index, entries] of Object.entries(state)) {
      optimizer[index] = {};
      for (const [name, value] of Object.entries(entries)) {
        if (value instanceof Tensor) tensors[`optimizer.${index}.${name}`] = value;
        else optimizer[index][name] = value;
      }
    }
    const schedulers = parts.schedulers.map((scheduler) => scheduler.stateDict());
    const meta: Meta = { position, schedulers, paramGroups, optimizer };
    saveTensors(path, tensors, { format, state: JSON.stringify(meta) });
  });
}

/** Puts a run back to where {@link saveTraining} left it. @throws {RetortError} when the file is of another run or kind. */
export function loadTraining(path: string, parts: TrainingParts): Position {
  return tidy(() => {
    const { tensors, metadata } = loadTensors(path);
    if (metadata['format'] !== format) {
      throw new RetortError(`${path} is no training checkpoint`, {
        help: "it holds weights only: name a run's folder to resume it, or load the weights with loadModule",
      });
    }
    const meta = JSON.parse(metadata['state']!) as Meta;
    const model: Record<string, Tensor> = {};
    const state: OptimizerStateDict['state'] = { ...meta.optimizer };
    for (const [name, tensor] of Object.entries(tensors)) {
      const [part, index, ...rest] = name.split('.');
      if (part === 'model') model[name.slice('model.'.length)] = tensor;
      else if (part === 'optimizer') state[index!] = { ...state[index!], [rest.join('.')]: tensor };
    }
    const expected = Object.keys(changing(parts.algorithm));
    const missing = expected.filter((name) => !Object.hasOwn(model, name));
    if (missing.length > 0) {
      throw new RetortError(`${path}: ${missing.length} of the run's tensors are missing, such as "${missing[0]}"`, {
        help: 'the checkpoint is of another config: resume with the config it was made with',
      });
    }
    parts.algorithm.loadStateDict(model, { strict: false });
    parts.optimizer.loadStateDict({ state, param_groups: meta.paramGroups });
    parts.schedulers.forEach((scheduler, i) => scheduler.loadStateDict(meta.schedulers[i]!));
    setRandomState(tensors['rng']!);
    return meta.position;
  });
}

/** The state of an algorithm without that of its frozen modules. */
function changing(algorithm: Trainable): Record<string, Tensor> {
  const frozen = new Set(algorithm.frozen());
  const prefixes = [...algorithm.namedModules()].filter(([, module]) => frozen.has(module)).map(([name]) => `${name}.`);
  const state = Object.entries(algorithm.stateDict());
  return Object.fromEntries(state.filter(([name]) => !prefixes.some((prefix) => name.startsWith(prefix))));
}
