// Records as rows: what recorders took of a batch, cut into samples, in the precision that was asked for; and back.
import { z } from 'zod';

import { isPlain } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import type { Column, RowPlace, RowStore } from '../../formats/index.ts';
import { integers } from '../../nn/index.ts';
import { itemSize, ops, Tensor } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';

/** How values are stored. */
export const storedFormat = z.union([
  z.enum(['float32', 'float16', 'int8']),
  z.strictObject({
    /** So many scores, the highest; of the others their share together. */
    topk: z.number().int().min(1),
  }),
]);
export type StoredFormat = z.output<typeof storedFormat>;

const wholeNumber = z.number().int().min(0);
const dtypes = [
  ...(['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'] as const),
  ...(['complex64', 'complex128'] as const),
];
const field = z.object({
  /** The recorder, for messages and for the option `formats`. */
  recorder: z.string(),
  /** Rows of the tensor that belong to a sample: more than 1 where windows or regions were put into the batch. */
  rows: wholeNumber.min(1),
  /** Of one row. */
  shape: z.array(wholeNumber),
  dtype: z.enum(dtypes),
  /** `'raw'`: as it is, for what is not of float32. */
  format: z.union([storedFormat, z.literal('raw')]),
});
/** A tensor in a record, sample by sample. */
export type Field = z.output<typeof field>;

/** What a recorder's record looks like, with fields in place of tensors. */
type Template =
  | { field: number }
  | { list: Template[] }
  | { record: Record<string, Template> }
  | { value: string | number | boolean | null };
const template: z.ZodType<Template> = z.lazy(() =>
  z.union([
    z.strictObject({ field: wholeNumber }),
    z.strictObject({ list: z.array(template) }),
    z.strictObject({ record: z.record(z.string(), template) }),
    z.strictObject({ value: z.union([z.string(), z.number(), z.boolean(), z.null()]) }),
  ]),
);

/** How records are stored, as JSON has it. */
export const recordLayout = z
  .object({ fields: z.array(field), records: z.record(z.string(), z.array(template)) })
  .refine(({ fields, records }) => {
    const known = (one: Template): boolean => {
      if ('field' in one) return one.field < fields.length;
      if ('list' in one) return one.list.every(known);
      return 'record' in one ? Object.values(one.record).every(known) : true;
    };
    return Object.values(records).every((list) => list.every(known));
  });
/** How records are stored. */
export type RecordLayout = z.output<typeof recordLayout>;

/** What recorders took: records by recorder. */
export type Records = Readonly<Record<string, readonly unknown[]>>;

/**
 * The layout of records of `samples` samples, and their tensors in its order.
 * @throws {RetortError} `unsupported` for records that are not one part per sample.
 */
export function layoutOf(
  records: Records,
  { samples, formatOf }: { samples: number; formatOf: (recorder: string, tensor: Tensor) => StoredFormat },
): { layout: RecordLayout; tensors: Tensor[] } {
  const [fields, tensors]: [Field[], Tensor[]] = [[], []];
  const add = (recorder: string, tensor: Tensor): Template => {
    const { dtype, shape } = tensor;
    const rows = shape.length === 0 ? 0 : shape[0]! / samples;
    if (!Number.isInteger(rows) || rows < 1) {
      throw new RetortError(
        `teacherCache: recorder "${recorder}": expected records with a part for each of ${samples} samples, got (${shape.join(', ')})`,
        { code: 'unsupported', help: 'record what has the samples as its first dimension, or leave teacherCache out' },
      );
    }
    const format = dtype === 'float32' ? formatOf(recorder, tensor) : 'raw';
    if (isTopk(format) && (rows !== 1 || shape.length !== 2)) {
      throw new RetortError(`teacherCache: formats.${recorder}: topk is for scores (N, K), got (${shape.join(', ')})`, {
        help: "use 'float32', 'float16' or 'int8'",
      });
    }
    fields.push({ recorder, rows, shape: shape.slice(1), dtype, format });
    tensors.push(tensor);
    return { field: fields.length - 1 };
  };
  const templateOf = (recorder: string, value: unknown): Template => {
    if (value instanceof Tensor) return add(recorder, value);
    if (Array.isArray(value)) return { list: value.map((one) => templateOf(recorder, one)) };
    if (isPlain(value)) return { record: mapped(value, (one) => templateOf(recorder, one)) };
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return { value } as Template;
    throw new RetortError(
      `teacherCache: recorder "${recorder}": its record holds what is no tensor, and cannot be stored`,
      {
        code: 'unsupported',
        help: 'record tensors, or leave teacherCache out',
      },
    );
  };
  const made = mapped(records, (list, recorder) => list.map((one) => templateOf(recorder, one)));
  return { layout: { fields, records: made }, tensors };
}

/** Records again, of tensors in the order of the fields. */
export function recordsOf({ records }: RecordLayout, tensors: readonly Tensor[]): Record<string, unknown[]> {
  const filled = (one: Template): unknown => {
    if ('field' in one) return tensors[one.field]!;
    if ('list' in one) return one.list.map(filled);
    return 'record' in one ? mapped(one.record, filled) : one.value;
  };
  return mapped(records, (list) => list.map(filled));
}

/** A part of a field, as it is stored: `(N, ...shape)`. */
export interface Part {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The columns of a layout, with what is in them. */
export function partsOf({ fields }: RecordLayout): Part[] {
  return fields.flatMap((field, i): Part[] => {
    const { format, shape, rows, dtype } = field;
    const name = `${i}`;
    const whole = [rows, ...shape];
    if (format === 'raw') return [{ name, dtype, shape: whole }];
    if (format === 'int8') {
      return [
        { name, dtype: 'int8', shape: whole },
        { name: `${name}.scale`, dtype: 'float32', shape: scaleShape(field) },
      ];
    }
    if (!isTopk(format)) return [{ name, dtype: format, shape: whole }];
    const most = Math.min(format.topk, shape[0]!);
    return [
      { name, dtype: 'float32', shape: [most] },
      { name: `${name}.class`, dtype: 'int32', shape: [most] },
      { name: `${name}.rest`, dtype: 'float32', shape: [1] },
    ];
  });
}

export const columnOf = ({ name, dtype, shape }: Part): Column => ({
  name,
  bytes: itemSize(dtype) * shape.reduce((product, size) => product * size, 1),
});

/** The parts of a layout, from tensors in the order of its fields. */
export function encoded({ fields }: RecordLayout, tensors: readonly Tensor[], samples: number): Tensor[] {
  return fields.flatMap((field, i): Tensor[] => {
    const { format, shape, rows } = field;
    const tensor = tensors[i]!.reshape([samples, rows, ...shape]);
    if (format === 'raw') return [tensor];
    if (format === 'int8') {
      const scale = grouped(tensor, field).abs().amax(-1).div(127);
      const steps = grouped(tensor, field).div(scale.clamp(1e-30).unsqueeze(-1)).round();
      return [steps.to('int8').reshape(tensor.shape), scale];
    }
    if (!isTopk(format)) return [tensor.to(format)];
    const scores = tensor.squeeze(1);
    const [highest, classes] = scores.topk(Math.min(format.topk, shape[0]!), 1);
    const rest = scores.scatter(1, classes, -Infinity).logsumexp(1, true);
    return [highest, classes.to('int32'), rest];
  });
}

/** The tensors of a layout's fields, from its parts. */
export function decoded({ fields }: RecordLayout, parts: readonly Tensor[], samples: number): Tensor[] {
  let next = 0;
  return fields.map((field): Tensor => {
    const { format, shape, rows } = field;
    const whole = [samples * rows, ...shape];
    const first = parts[next++]!;
    if (format === 'raw') return first.reshape(whole);
    if (format === 'int8') {
      const scale = parts[next++]!;
      return grouped(first.to('float32').reshape([samples, rows, ...shape]), field)
        .mul(scale.unsqueeze(-1))
        .reshape(whole);
    }
    if (!isTopk(format)) return first.to('float32').reshape(whole);
    const [classes, rest] = [parts[next++]!, parts[next++]!];
    const others = shape[0]! - first.shape[1]!;
    // The share of the others, evenly: probabilities of the highest are what they were.
    const each = others === 0 ? rest : rest.sub(Math.log(others));
    return each.expand(whole).scatter(1, classes.to('int64'), first);
  });
}

/** What two encodings of the same values agree in, field by field: of scores that are nearly equal, either may be among the highest. */
export function comparable(layout: RecordLayout, parts: readonly Tensor[], samples: number): Tensor[] {
  let next = 0;
  return decoded(layout, parts, samples).map((values, i) => {
    const { format } = layout.fields[i]!;
    const [highest, , rest] = parts.slice(next);
    next += isTopk(format) ? 3 : format === 'int8' ? 2 : 1;
    return isTopk(format)
      ? ops.cat(layout.fields[i]!.shape[0]! > format.topk ? [highest!, rest!] : [highest!], 1)
      : values;
  });
}

/** A field's values, `(N, groups, values)`: a scale is kept for each group, which is a channel where there are any. */
function grouped(tensor: Tensor, field: Field): Tensor {
  return tensor.reshape([tensor.shape[0]!, ...scaleShape(field), -1]);
}

function scaleShape({ rows, shape }: Field): number[] {
  return [shape.length > 1 ? rows * shape[0]! : rows];
}

const isTopk = (format: Field['format']): format is { topk: number } => typeof format === 'object';

/** Rows of a store, as bytes, column by column. */
export function gathered(store: RowStore, places: readonly RowPlace[]): Tensor[] {
  const bySegment = new Map<RowPlace['segment'], { rows: number[]; at: number[] }>();
  for (const [i, place] of places.entries()) {
    const known = bySegment.get(place.segment);
    if (known === undefined) place.segment.requireThere();
    store.require(place);
    const group = known ?? { rows: [], at: [] };
    bySegment.set(place.segment, group);
    group.rows.push(place.row);
    group.at.push(i);
  }
  const single = bySegment.size === 1;
  const columns = store.columns.map(({ bytes }) =>
    single ? undefined : ops.empty([places.length, bytes], { dtype: 'uint8' }),
  );
  let result: Tensor[] = [];
  for (const [{ file, capacity }, { rows, at }] of bySegment) {
    // Mapped, not read: only the pages that rows are on.
    const mapped = ops.fromFile(file, false, capacity * store.rowBytes, { dtype: 'uint8' });
    const index = integers(rows);
    let start = 0;
    result = store.columns.map(({ bytes }, i) => {
      const column = mapped.narrow(0, start, capacity * bytes).view([capacity, bytes]);
      start += capacity * bytes;
      const found = column.indexSelect(0, index);
      return columns[i]?.indexCopy_(0, integers(at), found) ?? found;
    });
  }
  return result;
}

/** A format in words. */
export const shownFormat = (format: Field['format']): string =>
  isTopk(format) ? `top ${format.topk}` : format === 'raw' ? 'as it is' : format;

function mapped<V, W>(record: Readonly<Record<string, V>>, change: (value: V, name: string) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}

/** @throws {RetortError} `unsupported` where records are laid out otherwise than those that are stored. */
export function requireSameLayout(dir: string, there: RecordLayout, now: RecordLayout): void {
  const inWords = ({ recorder, rows, shape, dtype }: Field): string =>
    `${recorder} ${dtype} (${[rows, ...shape].join(', ')})`;
  const place = Array.from({ length: Math.max(there.fields.length, now.fields.length) }, (_, i) => i).find(
    (i) => JSON.stringify(there.fields[i]) !== JSON.stringify(now.fields[i]),
  );
  if (place === undefined && JSON.stringify(there.records) === JSON.stringify(now.records)) return;
  const [before, found] = [there.fields[place ?? 0], now.fields[place ?? 0]].map((one) =>
    one === undefined ? 'nothing' : inWords(one),
  );
  throw new RetortError(
    `teacherCache: ${dir} has ${before} of each sample, and the teacher gives ${found === before ? 'it otherwise' : found}`,
    {
      code: 'unsupported',
      help: 'records of one cache have one shape: give all samples one size, or leave teacherCache out',
    },
  );
}

/** @throws {RetortError} for numbers that are too large for the format that they are stored in. */
export function requireHeld(
  { fields }: RecordLayout,
  { values, tensors }: Readonly<Record<'values' | 'tensors', readonly Tensor[]>>,
): void {
  for (const [i, { recorder, format }] of fields.entries()) {
    // Half the numbers there are; the other formats hold all of them.
    if (format !== 'float16' || values[i]!.isfinite().all().item() === 1) continue;
    throw new RetortError(
      `teacherCache: formats.${recorder}: float16 holds numbers up to 65504, got ${tensors[i]!.abs().max().item()}`,
      { help: `store it otherwise: { formats: { ${recorder}: 'float32' } }` },
    );
  }
}
