// Where each argument of a loss comes from: a record of one of the networks, something of the batch, or a plain value.

/** A record of one side, or a part of it, through connectors where shapes differ. */
export interface RecordSource {
  /** The name of a recorder of that side. */
  readonly recorder: string;
  /** Whether the student's recorders are meant, or the teacher's. */
  readonly fromStudent: boolean;
  /** Which call of the target; negative counts from the end. Default 0. */
  readonly recordIdx?: number | undefined;
  /** Which part of a record that is an array (a number) or an object (a key). Default: all of it. */
  readonly dataIdx?: number | string | undefined;
  /** The name of a connector that the record passes through, or several in their order. Default none. */
  readonly connector?: string | readonly string[] | undefined;
  /** Which part of the (last) connector's output. Default: all of it. */
  readonly connectorIdx?: number | undefined;
}

/** Something of the batch itself: no recorder is needed for it. */
export interface FieldSource {
  /**
   * `gtLabels` int64 `(N)`; `sampleIdxs` int64 `(N)`; `dataSamples` the samples as they are; `inputs` the student's images
   * `(N, C, H, W)`.
   */
  readonly field: BatchField;
}
export const batchFields = ['gtLabels', 'sampleIdxs', 'dataSamples', 'inputs'] as const;
export type BatchField = (typeof batchFields)[number];

/** A value from the config, such as a number. */
export interface ValueSource {
  readonly value: unknown;
}

export type ArgumentSource = RecordSource | FieldSource | ValueSource;

/** One argument of a loss; a list of sources gives a list of values (several teachers, several layers). */
export type ArgumentMapping = ArgumentSource | readonly ArgumentSource[];

/** Loss name -> argument name -> where it comes from. */
export type LossForwardMappings = Readonly<Record<string, Readonly<Record<string, ArgumentMapping>>>>;

/** The sources of an argument, one or several. */
export function sourcesOf(mapping: ArgumentMapping): readonly ArgumentSource[] {
  return Array.isArray(mapping) ? (mapping as readonly ArgumentSource[]) : [mapping as ArgumentSource];
}

/** The connectors that a record passes through, in their order. */
export function connectorsOf({ connector }: RecordSource): readonly string[] {
  if (connector === undefined) return [];
  return typeof connector === 'string' ? [connector] : connector;
}
