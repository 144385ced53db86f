// The types of a sweep: a base config, axes that change it, and how the cells are compared. Names that `baseline`, `only`, `except` and
// `order` use are those of the axes, or it does not compile.
import type { AlgorithmConfig, ExperimentConfig, StageConfig, StagesConfig, TrainingConfig } from '../define.ts';

/** A single value of a config. */
export type AxisValue = string | number | boolean | null;

type OptionOf<Config> = Config extends unknown ? keyof Config : never;
type Algorithm = AlgorithmConfig<unknown, unknown>;

/** Part of a value; `_delete_: true` drops what the config below has there. Of a list: all of it, or items by their numbers. */
type Partly<T> = T extends readonly (infer Item)[]
  ? T | { readonly [index: number]: Partly<Item> }
  : T extends object
    ? { readonly [Key in keyof T]?: Partly<T[Key]> } & { readonly _delete_?: boolean }
    : T;

/** What an algorithm is changed by. What its options hold is checked when the sweep is read, before anything trains. */
type AlgorithmPatch = { readonly [Option in Exclude<OptionOf<Algorithm>, 'type'>]?: unknown } & {
  readonly type?: Algorithm['type'];
  readonly _delete_?: boolean;
};

/**
 * What is laid over a config: objects key by key, everything else replaced, `_delete_: true` drops what was below. Numbers as keys change
 * items of a list.
 */
export type ConfigPatch = {
  readonly [Option in keyof Omit<TrainingConfig, 'base'>]?: Partly<TrainingConfig[Option]>;
} & {
  readonly model?: AlgorithmPatch;
  readonly stages?: readonly StageConfig[] | Readonly<Record<number, unknown>>;
};

/** A config: the path of its file, from the sweep's folder, or the config itself, which may be what changes another one, its `base`. */
export type SweepBase =
  | string
  | ExperimentConfig
  | StagesConfig
  | (ConfigPatch & { readonly base: string | readonly string[] });

/** A value of an axis: a patch over the base, the stages that take its place, or the path of a whole config in place of the base. */
export type AxisOption = string | ConfigPatch | readonly StageConfig[];

/** For which cells an axis is: `{ method: ['kd', 'dkd'] }`, by the axes written before it. */
interface Limited {
  readonly only?: Readonly<Record<string, AxisValue | readonly AxisValue[]>>;
  readonly except?: Readonly<Record<string, AxisValue | readonly AxisValue[]>>;
}

/** Values of one place in the config, or of several that have the same one. */
export interface ValuesAxis extends Limited {
  /** `model.distiller.distillLosses.loss_kl.tau`; default: the axis's own name. */
  readonly at?: string | readonly string[];
  /** Values; those that are not single ones by a name. */
  readonly values: readonly AxisValue[] | Readonly<Record<string, unknown>>;
}

/** Patches by name, where an axis is only for some cells. */
export interface OptionsAxis extends Limited {
  readonly options: Readonly<Record<string, AxisOption>>;
}

/** Values of the place that the axis is called after (`seed: [0, 1, 2]`), of another place, or patches by name. */
export type Axis = readonly AxisValue[] | ValuesAxis | OptionsAxis | Readonly<Record<string, AxisOption>>;

/** What can be varied, by name. `seed` is the one that cells are repeated with. */
export type Axes = Readonly<Record<string, Axis>>;

type ValueOf<A> = A extends readonly (infer Value)[]
  ? Value
  : A extends { readonly values: readonly (infer Value)[] }
    ? Value
    : A extends { readonly values: infer Named }
      ? keyof Named
      : A extends { readonly options: infer Named }
        ? keyof Named
        : keyof A;

/** Cells, by the values they have on some axes; on an axis, one or several values. */
export type Selection<A> = { readonly [Name in keyof A]?: ValueOf<A[Name]> | readonly ValueOf<A[Name]>[] };

/** A teacher that the sweep trains, once. */
export interface SweepTeacher<A = Axes> {
  /** What trains it. Its student is the teacher. */
  readonly config: SweepBase;
  /**
   * Where the path of its weights is put. Default: `teacherCkpt` of every `model` that has a `teacher`, but for networks of earlier
   * stages.
   */
  readonly at?: string | readonly string[];
  /** The cells that it is for. Default: all. */
  readonly only?: Selection<A>;
  /** The cells that it is not for. Default: none. */
  readonly except?: Selection<A>;
}

/** A teacher cache that cells share. */
export interface SweepCache<A = Axes> {
  /** So many augmentations of each image, seen in turn over epochs. Default: each epoch has its own. */
  readonly views?: number;
  /** The cells that it is for: those whose records are small, say. Default: all. */
  readonly only?: Selection<A>;
  /** The cells that it is not for. Default: none. */
  readonly except?: Selection<A>;
}

/** The part of the training data that hyper-parameters are chosen on. */
export interface SweepValidation {
  /** Of the training data. Default 0.1. */
  readonly share?: number;
  /** Which samples: those of a seed are always the same. Default 0. */
  readonly seed?: number;
}

/** Successive halving (Jamieson, Talwalkar, arXiv 1502.07943): many cells for few epochs, the best part of them for more, ... */
export interface SweepHalving<A = Axes> {
  /** The axes whose values are chosen, for each value of the others. Default: all but `method` and `seed`. */
  readonly over?: readonly (keyof A & string)[];
  /** One of so many goes on, for so many times the epochs. Default 3. */
  readonly eta?: number;
  /** Of the first rung. Default 1. */
  readonly minEpochs?: number;
  /** Of the last. Default: the config's epochs. */
  readonly maxEpochs?: number;
  /** The seeds that a cell is trained with, whose mean counts. Default: the first of the sweep's. */
  readonly seeds?: readonly number[];
}

/** What {@link defineSweep} takes. */
export interface SweepConfig<A extends Axes = Axes> {
  /** What its folder in `runs/` is called. Default: the file's name. */
  readonly name?: string;
  /** What the axes change. Needed unless an axis names whole configs. */
  readonly base?: SweepBase;
  /** Laid over every cell, whole configs of an axis too, before the axes. */
  readonly patch?: ConfigPatch;
  /** A teacher that is trained once, by what trains it: its weights are those of the teacher of every cell. */
  readonly teacher?: SweepBase | SweepTeacher<A>;
  /** Several, by name. */
  readonly teachers?: Readonly<Record<string, SweepTeacher<A>>>;
  /** What is varied. Later axes are laid over earlier ones. */
  readonly axes: A;
  /** Cells that make no sense. */
  readonly except?: readonly Selection<A>[];
  /** What gains are over: the cell with these values, and all others the same. Default `{ method: 'alone' }`, where there is that. */
  readonly baseline?: { readonly [Name in keyof A]?: ValueOf<A[Name]> };
  /** What is compared, by network and name: of the last evaluation, never the best. Default `'student.accuracy'`. */
  readonly metric?: string;
  /** The outermost axis first; those left out follow as they are written. Default `['seed']`: each cell once, then each a second time. */
  readonly order?: readonly (keyof A & string)[];
  /** Keep what teachers give in a folder that cells share, where their methods allow it. Default false. */
  readonly cache?: boolean | SweepCache<A>;
  /** What `--successive-halving` measures on: training data that cells are then not trained with. */
  readonly validation?: SweepValidation;
  /** How `--successive-halving` chooses. */
  readonly halving?: SweepHalving<A>;
}

/** Gives a sweep its type: `export default defineSweep({ base: './kd.ts', axes: { method: { ... }, seed: [0, 1, 2] } })`. */
export function defineSweep<const A extends Axes>(sweep: SweepConfig<A>): SweepConfig<A> {
  return sweep;
}
