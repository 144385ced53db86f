// What every optimizer does: groups of parameters with options of their own, state per parameter, state dicts in PyTorch's layout.
import type { z } from 'zod';

import { camelCase } from '../check.ts';
import { describeValue, RetortError } from '../errors.ts';
import { checkOptions } from '../registry/index.ts';
import { clearGrads, gradsOf, keep, noGrad, Tensor, tidy } from '../torch/index.ts';

/** Parameters that share options; options left out are the optimizer's. */
export type ParamGroup<Options> = { params: Iterable<Tensor> } & Partial<Options>;

/** A group as the optimizer keeps it: every option is there and may be changed between steps. */
export type FullGroup<Options> = Options & {
  params: Tensor[];
  /** The learning rate a scheduler started from. */
  initialLr?: number;
};

/** Options that every optimizer has. */
export interface BaseOptions {
  /** The learning rate. */
  lr: number;
}

/** Tensors and numbers an optimizer remembers of one parameter, under PyTorch's names. */
export type ParameterState = Record<string, Tensor>;

/** PyTorch's layout, so that its checkpoints can be read: names are snake_case, parameters are numbers in group order. */
export interface OptimizerStateDict {
  state: Record<string, Record<string, unknown>>;
  param_groups: Record<string, unknown>[];
}

/** A parameter with its gradient and state, for one step. */
export interface Update {
  params: Tensor[];
  grads: Tensor[];
  states: ParameterState[];
}

/**
 * The base of optimizers such as {@link SGD} and {@link AdamW}: groups of parameters with options of their own, state per parameter
 * (PyTorch's layout, see {@link stateDict}), gradients set to null by {@link zeroGrad}. Parameters without a gradient are skipped.
 *
 * @example
 * ```ts
 * const layer = new Linear(4, 2);
 * const optimizer = new AdamW(layer.parameters(), { lr: 1e-3 });
 * tidy(() => {
 *   const loss = layer.forward(randn([8, 4])).square().mean();
 *   optimizer.zeroGrad();
 *   loss.backward();
 *   optimizer.step();
 * });
 * ```
 */
export abstract class Optimizer<Options extends BaseOptions = BaseOptions> {
  /** The groups, in order; `lr` and the rest may be changed between steps. */
  readonly paramGroups: FullGroup<Options>[] = [];
  protected readonly state = new Map<Tensor, ParameterState>();
  readonly #schema: z.ZodType<Options>;
  readonly #defaults: Options;

  /**
   * @param options of all groups that have none of their own
   * @param schema of the options, with their defaults: the one that configs are checked by
   * @throws {RetortError} when there are no parameters, one is given twice, or an option makes no sense.
   */
  constructor(params: Iterable<Tensor> | readonly ParamGroup<Options>[], options: unknown, schema: z.ZodType<Options>) {
    this.#schema = schema;
    this.#defaults = checkOptions(schema, options, new.target.name);
    const given = [...(params as Iterable<Tensor | ParamGroup<Options>>)];
    const groups = given.every((item) => !(item instanceof Tensor)) && given.length > 0 ? given : [{ params: given }];
    for (const group of groups) this.addParamGroup(group as ParamGroup<Options>);
  }

  /** Adds parameters with options of their own, also in the middle of training. */
  addParamGroup(group: ParamGroup<Options>): void {
    const name = this.constructor.name;
    const { params: given, ...own } = group;
    const params = [...given];
    if (params.length === 0) {
      throw new RetortError(`${name}: params: expected at least one parameter, got none`, {
        help: 'pass module.parameters() of a module that has some',
      });
    }
    const known = new Set(this.parameters());
    for (const [i, param] of params.entries()) {
      if (!(param instanceof Tensor))
        throw new RetortError(`${name}: parameter ${i}: expected a tensor, got ${describeValue(param)}`);
      if (!param.isLeaf)
        throw new RetortError(`${name}: parameter ${i}: expected a leaf tensor, got the result of an operation`);
      if (known.has(param)) throw new RetortError(`${name}: parameter ${i} of the group appears twice`);
      known.add(param);
    }
    const full = checkOptions(this.#schema, { ...this.#defaults, ...own }, `${name}, group ${this.paramGroups.length}`);
    this.paramGroups.push({ ...full, params });
  }

  /** All parameters, in group order. */
  parameters(): Tensor[] {
    return this.paramGroups.flatMap((group) => group.params);
  }

  /** Sets every gradient to null. */
  zeroGrad(): void {
    clearGrads(this.parameters());
  }

  /**
   * Updates every parameter that has a gradient. A scope by itself; nothing is recorded for gradients.
   * @throws {RetortError} when a learning rate is not a finite number, before anything moves.
   */
  step(): void {
    for (const [i, { lr }] of this.paramGroups.entries()) {
      if (Number.isFinite(lr)) continue;
      throw new RetortError(
        `${this.constructor.name}.step: the learning rate of group ${i} is ${lr}, expected a finite number`,
        {
          code: 'not-finite',
          help: 'look at the schedulers, or at the code that sets paramGroups[i].lr',
        },
      );
    }
    noGrad(() =>
      tidy(() => {
        for (const group of this.paramGroups) {
          const update: Update = { params: [], grads: [], states: [] };
          for (const [i, grad] of gradsOf(group.params).entries()) {
            if (grad === null) continue;
            const param = group.params[i]!;
            let state = this.state.get(param);
            if (state === undefined) {
              state = {};
              this.state.set(param, state);
            }
            update.params.push(param);
            update.grads.push(grad);
            update.states.push(state);
          }
          if (update.params.length > 0) this.update(update, group);
        }
      }),
    );
  }

  /** One step of one group; lists are parallel. */
  protected abstract update(update: Update, options: Options): void;

  /** Frees its state, such as momentum; it begins anew. The parameters stay. */
  [Symbol.dispose](): void {
    for (const entries of this.state.values()) for (const value of Object.values(entries)) value.dispose();
    this.state.clear();
  }

  /** The state's tensors are the live ones: copy or save them before the next step. */
  stateDict(): OptimizerStateDict {
    const state: OptimizerStateDict['state'] = {};
    let index = 0;
    const groups = this.paramGroups.map(({ params, ...options }) => {
      const numbers = params.map((param) => {
        const entries = this.state.get(param);
        if (entries !== undefined && Object.keys(entries).length > 0) state[index] = { ...entries };
        return index++;
      });
      return { ...renamed(options, snakeCase), params: numbers };
    });
    return { state, param_groups: groups };
  }

  /**
   * Takes over a state of the same shape of groups and parameters; copies its tensors.
   * @throws {RetortError} listing everything that does not fit; nothing is changed then.
   */
  loadStateDict(dict: OptimizerStateDict): void {
    const params = this.parameters();
    const sizes = (counts: readonly number[]): string => `[${counts.join(', ')}]`;
    const own = this.paramGroups.map((group) => group.params.length);
    const theirs = dict.param_groups.map((group) => (group['params'] as readonly unknown[]).length);
    const mistakes =
      sizes(own) === sizes(theirs) ? [] : [`groups of ${sizes(theirs)} parameters, expected ${sizes(own)}`];
    for (const [index, entries] of Object.entries(dict.state)) {
      const param = params[Number(index)];
      for (const [name, value] of Object.entries(entries)) {
        if (!(value instanceof Tensor) || value.shape.length === 0 || param === undefined) continue;
        if (value.shape.join() !== param.shape.join()) {
          mistakes.push(
            `${name} of parameter ${index} has shape [${value.shape.join(', ')}], expected [${param.shape.join(', ')}]`,
          );
        }
      }
    }
    if (mistakes.length > 0)
      throw new RetortError(`${this.constructor.name}.loadStateDict: ${mistakes.join('; ')}`, { code: 'mismatch' });
    this[Symbol.dispose]();
    for (const [index, entries] of Object.entries(dict.state)) {
      const copied: ParameterState = {};
      const param = params[Number(index)];
      // Counts stay on the CPU, where they are read; what is like the parameter goes where that is.
      const place = (value: Tensor): Tensor =>
        tidy(() => (param === undefined || value.ndim === 0 ? value : value.to({ device: param.device })).clone());
      for (const [name, value] of Object.entries(entries)) {
        if (value instanceof Tensor) copied[name] = keep(noGrad(() => place(value)));
      }
      if (param !== undefined) this.state.set(param, copied);
    }
    dict.param_groups.forEach(({ params: _numbers, ...options }, i) => {
      Object.assign(this.paramGroups[i]!, renamed(options, camelCase));
    });
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renamed(options: object, rename: (name: string) => string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [rename(name), value]));
}
