// The types of a distiller's options: a mapping that names a recorder, a connector or an argument of a loss that does not exist does
// not compile, neither in code nor in a config. Only types are imported.
import type { Module } from '../../nn/index.ts';
import type { ConfigsOf, OptionsOf, ProductOf, TableOf } from '../../registry/index.ts';
import type { connectors } from '../connectors/index.ts';
import type { deliveries, DistillDelivery } from '../deliveries/index.ts';
import type { Compat, DistillLoss, losses } from '../losses/index.ts';
import type { Recorder, recorders } from '../recorders/index.ts';
import type { BatchField } from './mapping.ts';
import type { WeightSchedule } from './weight-schedule.ts';

type Losses = TableOf<typeof losses, 'loss'>;

/** The config of a loss: `{ type, ...options }`. */
export type LossConfig = ConfigsOf<Losses>;
/** The config of a connector: `{ type, ...options }`. */
export type ConnectorConfig = ConfigsOf<TableOf<typeof connectors, 'connector'>>;
/** The config of a recorder: `{ type, ...options }`. */
export type RecorderConfig = ConfigsOf<TableOf<typeof recorders, 'recorder'>>;
/** The config of a delivery: `{ type, ...options }`. */
export type DeliveryConfig = ConfigsOf<TableOf<typeof deliveries, 'delivery'>>;

/** Losses by name: configs, or built ones. */
export type LossesByName = Readonly<Record<string, LossConfig | DistillLoss>>;

/** One record, where S, T and K are the names of student recorders, teacher recorders and connectors. */
export type RecordMapping<S extends string, T extends string, K extends string> = (
  | { readonly recorder: S; readonly fromStudent: true }
  | { readonly recorder: T; readonly fromStudent: false }
) & {
  /** Which call of the target; negative counts from the end. Default 0. */
  readonly recordIdx?: number;
  /** Which part of a record that is an array (a number) or an object (a key). Default: all of it. */
  readonly dataIdx?: number | string;
  /** The name of a connector that the record passes through, or several in their order. Default none. */
  readonly connector?: K | readonly K[];
  /** Which part of the (last) connector's output. Default: all of it. */
  readonly connectorIdx?: number;
};
type SourceMapping<S extends string, T extends string, K extends string> =
  | RecordMapping<S, T, K>
  | { readonly field: BatchField }
  | { readonly value: unknown };
type Mapping<S extends string, T extends string, K extends string> =
  | SourceMapping<S, T, K>
  | readonly SourceMapping<S, T, K>[];

/** The object that a loss's forward takes. */
type ArgumentsOf<Loss> = Loss extends DistillLoss
  ? Parameters<Loss['forward']>[0]
  : Loss extends { type: infer Type extends keyof Losses }
    ? ProductOf<Losses[Type]> extends { forward(args: infer Args): unknown }
      ? Args
      : never
    : never;

/** The arguments of a loss, each with where it comes from. */
type LossMapping<Loss, S extends string, T extends string, K extends string> = {
  readonly [A in keyof ArgumentsOf<Loss>]: Mapping<S, T, K>;
};

/**
 * The options of a loss by its `type`: editors take completions and comments from here, where an inferred type has none. Options
 * that the loss does not have are refused; inferred types would let them pass.
 */
type OptionsOfLoss<Loss> = Loss extends DistillLoss
  ? unknown
  : Loss extends { type: infer Type extends keyof Losses }
    ? OptionsOf<Losses, Type> & {
        readonly [Option in Exclude<keyof Loss, keyof OptionsOf<Losses, Type> | 'type'>]: never;
      }
    : LossConfig;

/** What a distiller is put together from; the names that its mappings may use are those of its recorders, connectors and losses. */
export interface DistillerOptions<S extends string, T extends string, K extends string, L extends LossesByName> {
  /** What is recorded of the student while it runs. */
  readonly studentRecorders?: Readonly<Record<S, RecorderConfig | Recorder>>;
  /** What is recorded of the teacher while it runs. */
  readonly teacherRecorders?: Readonly<Record<T, RecorderConfig | Recorder>>;
  /** What the teacher's functions and methods return, handed to the student's in place of their own results. */
  readonly distillDeliveries?: Readonly<Record<string, DeliveryConfig | DistillDelivery>>;
  /** Modules that bring a record to the shape the loss wants; trained with the student. A list is a sequence. */
  readonly connectors?: Readonly<Record<K, ConnectorConfig | Module | readonly (ConnectorConfig | Module)[]>>;
  /** Losses by name: `{ type, ...options }`, or built ones. */
  readonly distillLosses?: L & { readonly [Name in keyof L]: OptionsOfLoss<L[Name]> };
  /** Where each argument of each loss comes from. */
  readonly lossForwardMappings?: {
    readonly [Name in keyof L]: LossMapping<L[Name], NoInfer<S>, NoInfer<T>, NoInfer<K>>;
  };
  /** Factors on the weights of losses that change while training, by the name of the loss. Default: they stay 1. */
  readonly lossWeightSchedules?: { readonly [Name in keyof L]?: WeightSchedule };
  /** Treat what the teacher's side records as constant: no gradient flows into it. Default false. */
  readonly detachTeacher?: boolean;
  /** `'mmrazor'`: its numbers, also in losses and connectors; a connector then runs once per reference. */
  readonly compat?: Compat;
}
