// The types of a config in a TypeScript file. `type` completes and narrows the options beside it; a mapping that names a recorder,
// a connector or an argument of a loss that does not exist does not compile. Only types are imported here: a config is data.
import type { datasets, transforms } from '../data/index.ts';
import type { algorithms } from '../distill/algorithms/index.ts';
import type { connectors } from '../distill/connectors/index.ts';
import type { deliveries } from '../distill/deliveries/index.ts';
import type { BatchField, WeightSchedule } from '../distill/distillers/index.ts';
import type { losses } from '../distill/losses/index.ts';
import type { recorders } from '../distill/recorders/index.ts';
import type { evaluators, hooks, ParamwiseOptions } from '../engine/index.ts';
import type { generators } from '../models/generators/index.ts';
import type { backbones, heads, models, necks } from '../models/index.ts';
import type { LossModel, Module } from '../nn/index.ts';
import type { AdamOptions, SGDOptions } from '../optim/index.ts';
import type { ConfigOf, Entry, Registry, UserEntries } from '../registry/index.ts';

/** The entries of a registry, with those that users declare for its kind (see {@link UserEntries}). */
type TableOf<R, Kind extends string> = (R extends Registry<never, infer T>
  ? T
  : R extends { entries: infer T }
    ? T
    : never) &
  (Kind extends keyof UserEntries ? UserEntries[Kind] : unknown);
type Configs<T> = T extends Readonly<Record<string, Entry<unknown>>> ? ConfigOf<T> : never;
/** Configs of users' entries of a kind. */
type UserConfigs<Kind extends string> = Kind extends keyof UserEntries ? Configs<UserEntries[Kind]> : never;
type ProductOf<E> = E extends { build(options: unknown, where: string): infer P } ? P : never;
type OptionsOf<T, Name extends keyof T> = T[Name] extends Entry<unknown, infer Options> ? Options : never;

type Losses = TableOf<typeof losses, 'loss'>;
type Algorithms = TableOf<typeof algorithms, 'algorithm'>;

export type LossConfig = Configs<Losses>;
export type ConnectorConfig = Configs<TableOf<typeof connectors, 'connector'>>;
export type RecorderConfig = Configs<TableOf<typeof recorders, 'recorder'>>;
export type DeliveryConfig = Configs<TableOf<typeof deliveries, 'delivery'>>;
export type GeneratorConfig = Configs<TableOf<typeof generators, 'generator'>>;
export type DatasetConfig = Configs<TableOf<typeof datasets, 'data set'>>;
export type TransformConfig = Configs<TableOf<typeof transforms, 'transform'>>;
export type EvaluatorConfig = Configs<TableOf<typeof evaluators, 'evaluator'>>;
export type HookConfig = Configs<TableOf<typeof hooks, 'hook'>>;

/** A network, by its parts. */
export type ClassifierConfig = Omit<
  OptionsOf<TableOf<typeof models, 'model'>, 'ImageClassifier'>,
  'backbone' | 'neck' | 'head'
> & {
  readonly type: 'ImageClassifier';
  readonly backbone: Configs<TableOf<typeof backbones, 'backbone'>>;
  readonly neck?: Configs<TableOf<typeof necks, 'neck'>> | null;
  readonly head: Configs<TableOf<typeof heads, 'head'>>;
};
/** A network of an earlier stage, with its weights. */
export interface FromStage {
  readonly type: 'FromStage';
  readonly stage: string;
  /** `student` (default), `teacher`, or another name the stage's algorithm evaluates. */
  readonly network?: string;
}
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a user declares a network
export type NetworkConfig = ClassifierConfig | FromStage | LossModel | UserConfigs<'model'>;

/** One record, where S, T and K are the names of student recorders, teacher recorders and connectors. */
export type RecordMapping<S extends string, T extends string, K extends string> = (
  | { readonly recorder: S; readonly fromStudent: true }
  | { readonly recorder: T; readonly fromStudent: false }
) & {
  readonly recordIdx?: number;
  readonly dataIdx?: number | string;
  readonly connector?: K | readonly K[];
  readonly connectorIdx?: number;
};
type SourceMapping<S extends string, T extends string, K extends string> =
  | RecordMapping<S, T, K>
  | { readonly field: BatchField }
  | { readonly value: unknown };
type Mapping<S extends string, T extends string, K extends string> =
  | SourceMapping<S, T, K>
  | readonly SourceMapping<S, T, K>[];

/** The arguments of a loss, each with where it comes from. */
type LossMapping<Loss, S extends string, T extends string, K extends string> = Loss extends { type: infer Type }
  ? Type extends keyof Losses
    ? ProductOf<Losses[Type]> extends { forward(args: infer Args): unknown }
      ? { readonly [A in keyof Args]: Mapping<S, T, K> }
      : never
    : never
  : never;

type LossConfigs = Readonly<Record<string, LossConfig>>;
/** What a distiller without losses has: a mapping of any name is an error. */
interface NoLosses {
  readonly [name: string]: never;
}

/**
 * The options of a loss by its `type`: editors take completions and comments from here, where an inferred type has none. Options
 * that the loss does not have are refused; inferred types would let them pass.
 */
type OptionsOfLoss<Loss> = Loss extends { type: infer Type extends keyof Losses & string }
  ? { readonly type: Type } & OptionsOf<Losses, Type> & {
        readonly [Option in Exclude<keyof Loss, keyof OptionsOf<Losses, Type> | 'type'>]: never;
      }
  : LossConfig;

/** A distiller; the names that its mappings may use are those of its recorders, connectors and losses. */
export interface DistillerConfig<S extends string, T extends string, K extends string, L extends LossConfigs> {
  readonly type: 'ConfigurableDistiller' | 'BYOTDistiller' | 'OFDDistiller';
  readonly studentRecorders?: Readonly<Record<S, RecorderConfig>>;
  readonly teacherRecorders?: Readonly<Record<T, RecorderConfig>>;
  readonly distillDeliveries?: Readonly<Record<string, DeliveryConfig>>;
  readonly connectors?: Readonly<Record<K, ConnectorConfig | Module | readonly (ConnectorConfig | Module)[]>>;
  readonly distillLosses?: L & { readonly [Name in keyof L]: OptionsOfLoss<L[Name]> };
  readonly lossForwardMappings?: {
    readonly [Name in keyof L]: LossMapping<L[Name], NoInfer<S>, NoInfer<T>, NoInfer<K>>;
  };
  readonly lossWeightSchedules?: { readonly [Name in keyof L]?: WeightSchedule };
  readonly detachTeacher?: boolean;
  readonly compat?: 'mmrazor';
}

type SingleTeacher = 'SingleTeacherDistill' | 'FpnTeacherDistill' | 'OverhaulFeatureDistillation';
type TeacherConfig = NetworkConfig | { readonly buildCfg: NetworkConfig; readonly ckptPath?: string | null };
type Own<Name extends keyof Algorithms, Parts extends string> = Omit<OptionsOf<Algorithms, Name>, Parts>;

/** An algorithm; D is the type of its distiller, G of a data-free algorithm's second one. */
export type AlgorithmConfig<D, G> =
  | ({ readonly type: 'Supervised'; readonly architecture: NetworkConfig } & Own<'Supervised', 'architecture'>)
  | ({
      readonly type: SingleTeacher;
      readonly architecture: NetworkConfig;
      readonly teacher: NetworkConfig;
      readonly distiller: D;
    } & Own<'SingleTeacherDistill', 'architecture' | 'teacher' | 'distiller'>)
  | ({ readonly type: 'SelfDistill'; readonly architecture: NetworkConfig; readonly distiller: D } & Own<
      'SelfDistill',
      'architecture' | 'distiller'
    >)
  | ({ readonly type: 'EmaTeacherDistill'; readonly architecture: NetworkConfig; readonly distiller: D } & Own<
      'EmaTeacherDistill',
      'architecture' | 'distiller'
    >)
  | ({
      readonly type: 'MultiTeacherDistill';
      readonly architecture: NetworkConfig;
      readonly teachers: Readonly<Record<string, TeacherConfig>>;
      readonly distiller: D;
    } & Own<'MultiTeacherDistill', 'architecture' | 'teachers' | 'distiller'>)
  | ({
      readonly type: 'MutualDistill';
      readonly students: Readonly<Record<string, NetworkConfig>>;
      readonly distiller: D;
    } & Own<'MutualDistill', 'students' | 'distiller'>)
  | ({
      readonly type: 'DataFreeDistillation' | 'DAFLDataFreeDistillation';
      readonly architecture: NetworkConfig;
      readonly teachers: Readonly<Record<string, TeacherConfig>>;
      readonly generator: GeneratorConfig | Module;
      readonly distiller: D;
      readonly generatorDistiller: G;
    } & Own<'DataFreeDistillation', 'architecture' | 'teachers' | 'generator' | 'distiller' | 'generatorDistiller'>);

type Paramwise = { readonly paramwise?: ParamwiseOptions };
export type OptimizerConfig =
  | ({ readonly type: 'SGD' } & SGDOptions & Paramwise)
  | ({ readonly type: 'Adam' | 'AdamW' } & AdamOptions & Paramwise);

type By = {
  readonly by?: 'step' | 'epoch';
  /** When it begins and when it has ended, in what it counts. Default: the whole of training. */
  readonly begin?: number;
  readonly end?: number;
  /** Its numbers are epochs, and the rate changes with every step. Default false. */
  readonly everyStep?: boolean;
};
export type SchedulerConfig = By &
  (
    | { readonly type: 'MultiStepLR'; readonly milestones: readonly number[]; readonly gamma?: number }
    | { readonly type: 'StepLR'; readonly stepSize: number; readonly gamma?: number }
    | { readonly type: 'ExponentialLR'; readonly gamma: number }
    | { readonly type: 'CosineAnnealingLR'; readonly tMax?: number; readonly etaMin?: number }
    | {
        readonly type: 'LinearLR';
        readonly startFactor?: number;
        readonly endFactor?: number;
        readonly totalIters?: number;
      }
    | { readonly type: 'ConstantLR'; readonly factor?: number; readonly totalIters?: number }
    | {
        readonly type: 'PolynomialLR';
        readonly totalIters?: number;
        readonly power?: number;
        readonly etaMin?: number;
      }
  );

export interface LoaderConfig {
  readonly dataset: DatasetConfig;
  readonly batchSize: number;
  /** Applied to each batch in order, for all networks. */
  readonly transforms?: readonly TransformConfig[];
  /** Applied after those to what the student sees. */
  readonly studentTransforms?: readonly TransformConfig[];
  /** What other networks see in place of that, by their name. */
  readonly views?: Readonly<Record<string, readonly TransformConfig[]>>;
}

/** Everything but the algorithm. */
export interface TrainingConfig {
  readonly trainData: LoaderConfig;
  readonly valData: LoaderConfig;
  /** Default: `valData`. */
  readonly testData?: LoaderConfig;
  /** One for everything that is trained, or one for each part of the algorithm (`architecture`, `generator`). */
  readonly optimizer: OptimizerConfig | Readonly<Record<string, OptimizerConfig>>;
  /** Applied together, in order. `by` says what they count: optimiser steps or epochs (default). */
  readonly schedulers?: readonly SchedulerConfig[] | Readonly<Record<string, readonly SchedulerConfig[]>>;
  readonly epochs: number;
  /** Ends training after so many steps in all. */
  readonly maxSteps?: number;
  /** Seed of initial weights, order and augmentation. Default 0. */
  readonly seed?: number;
  /** Default `'channels_last'`, the fastest for convolutions on CPU. */
  readonly memoryFormat?: 'contiguous' | 'channels_last';
  /** `'bfloat16'` computes convolutions and matrix products in bfloat16. Default `'float32'`. */
  readonly precision?: 'float32' | 'bfloat16';
  readonly maxGradNorm?: number;
  /** Batches whose gradients are averaged before the optimiser steps. Default 1. */
  readonly accumulate?: number;
  /** Epochs between two evaluations. Default 1. */
  readonly valInterval?: number;
  /** Steps between two training checkpoints within an epoch. Default: only at its end. */
  readonly saveInterval?: number;
  readonly evaluators?: readonly EvaluatorConfig[];
  /** Evaluate too how alike student and teacher are. Default false. */
  readonly agreement?: boolean;
  /** Which networks are evaluated. Default: all. */
  readonly evaluated?: readonly string[];
  readonly hooks?: readonly HookConfig[];
  /** Files whose default export adds entries: `export default { loss: { MyLoss: myLossEntry } }`. */
  readonly imports?: readonly string[];
  /** Configs this one is merged over: objects key by key, everything else replaced, `_delete_: true` drops what was below. */
  readonly base?: string | readonly string[];
}

export type ExperimentConfig<D = unknown, G = D> = TrainingConfig & { readonly model: AlgorithmConfig<D, G> };

export interface StageOptions {
  /** Its folder in the run's, and what later stages call it. */
  readonly name: string;
  /** Weights to begin with: a module of an earlier stage, into one of this stage (default: of the same path). */
  readonly init?: readonly { readonly stage: string; readonly module: string; readonly into?: string }[];
}

/** Gives a config its type: `export default defineConfig({ ... })`. */
export function defineConfig<
  const S extends string = never,
  const T extends string = never,
  const K extends string = never,
  const L extends LossConfigs = NoLosses,
  const S2 extends string = never,
  const T2 extends string = never,
  const K2 extends string = never,
  const L2 extends LossConfigs = NoLosses,
>(
  config: ExperimentConfig<DistillerConfig<S, T, K, L>, DistillerConfig<S2, T2, K2, L2>>,
): ExperimentConfig<DistillerConfig<S, T, K, L>, DistillerConfig<S2, T2, K2, L2>> {
  return config;
}

/** Gives one stage of {@link defineStages} its type; what it leaves out is the common config's. */
export function defineStage<
  const S extends string = never,
  const T extends string = never,
  const K extends string = never,
  const L extends LossConfigs = NoLosses,
>(
  stage: Partial<TrainingConfig> &
    StageOptions & { readonly model?: AlgorithmConfig<DistillerConfig<S, T, K, L>, never> },
): Partial<TrainingConfig> & StageOptions & { readonly model?: unknown } {
  return stage;
}

/** A config of several stages, trained one after the other: `export default defineStages({ ...common, stages: [defineStage(...)] })`. */
export function defineStages<
  C extends Partial<TrainingConfig> & { readonly stages: readonly ReturnType<typeof defineStage>[] },
>(config: C): C {
  return config;
}

/** A part of a config for others to build on (`base: ['./common.ts']`). */
export function defineBase<const C extends Partial<TrainingConfig>>(config: C): C {
  return config;
}
