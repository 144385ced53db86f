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
   * `labels` int64 `(N)`; `scores` `(N, K)`; `boxes` a list of `(n, 4)`; `sampleIdxs` int64 `(N)`; `contrastSampleIdxs` int64
   * `(N, 1 + K)`; `targets` all of these; `inputs` what the student sees. What a task adds, and one entry of a record of inputs, is
   * named after a dot: `targets.depth`, `inputs.mask`. `gtLabels`, `gtScores`, `gtBoxes` and `dataSamples` are OpenMMLab's names.
   */
  readonly field: BatchField;
}
/** What a field names, and which of the targets it is; `targets` and `inputs` are the whole. */
export const batchFields = {
  labels: 'labels',
  gtLabels: 'labels',
  scores: 'scores',
  gtScores: 'scores',
  boxes: 'boxes',
  gtBoxes: 'boxes',
  sampleIdxs: 'sampleIdxs',
  contrastSampleIdxs: 'contrastSampleIdxs',
  targets: 'targets',
  dataSamples: 'targets',
  inputs: 'inputs',
} as const;
/** A part of the batch that an argument of a loss may be. */
export type BatchField = keyof typeof batchFields | `targets.${string}` | `inputs.${string}`;

/** Which part of a batch a field is, and which entry of that part; undefined where it is neither. */
export function fieldOf(field: string): { part: 'targets' | 'inputs'; name?: string } | undefined {
  const [, part, own] = /^(targets|inputs)\.(.+)$/.exec(field) ?? [];
  if (own !== undefined) return { part: part as 'targets' | 'inputs', name: own };
  if (!Object.hasOwn(batchFields, field)) return undefined;
  const name = batchFields[field as keyof typeof batchFields];
  return name === 'targets' || name === 'inputs' ? { part: name } : { part: 'targets', name };
}

/** A value from the config, such as a number. */
export interface ValueSource {
  readonly value: unknown;
}

/** Where an argument of a loss comes from: a record, a part of the batch, or a constant. */
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
