// What flows inside of an ONNX model: every value with its shape, from what the file says or from one run on zeros.
import { onnxModelBytes } from '../../formats/index.ts';
import type { OnnxModel, OnnxValue } from '../../formats/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { hasOnnxruntime, openOnnx } from './session.ts';

/** A value inside of a model. */
export interface OnnxValueInfo {
  name: string;
  /** The operator that computes it. */
  operator: string;
  dtype?: string;
  /** Sizes; a name where the caller chooses, such as `batch`. Absent where it cannot be told. */
  shape?: readonly (number | string)[];
}

/** The values that a model computes, in order; of those that the file says nothing of, the shapes for one sample. */
export function valuesOf(model: OnnxModel): OnnxValueInfo[] {
  const { graph } = model;
  const said = new Map([...(graph.values ?? []), ...graph.outputs].map((value) => [value.name, value]));
  const all = graph.nodes.flatMap(({ opType, outputs }) =>
    outputs.filter((name) => name !== '').map((name) => ({ name, operator: opType })),
  );
  const unknown = all.filter(({ name }) => said.get(name)?.shape === undefined).map(({ name }) => name);
  const seen = unknown.length === 0 ? new Map<string, Seen>() : shapesSeen(model, unknown);
  return all.map(({ name, operator }) => {
    const { dtype, shape } = said.get(name)?.shape === undefined ? (seen.get(name) ?? {}) : said.get(name)!;
    return {
      ...{ name, operator },
      ...(dtype === undefined ? {} : { dtype }),
      ...(shape === undefined ? {} : { shape: shape.map((size) => size ?? '?') }),
    };
  });
}

type Seen = Pick<OnnxValue, 'dtype' | 'shape'>;

/** Runs the model once on zeros of one sample; nothing where it cannot be run so. */
function shapesSeen(model: OnnxModel, names: readonly string[]): Map<string, Seen> {
  const { graph } = model;
  const constants = new Set(graph.initializers.map(({ name }) => name));
  const inputs = graph.inputs.filter(({ name }) => !constants.has(name));
  const known = inputs.every(
    ({ shape, dtype }) => dtype !== undefined && shape?.slice(1).every((size) => typeof size === 'number') === true,
  );
  if (!known || !hasOnnxruntime()) return new Map();
  try {
    const outputs = new Set(graph.outputs.map(({ name }) => name));
    const added = names.filter((name) => !outputs.has(name)).map((name) => ({ name }));
    const bytes = onnxModelBytes({ ...model, graph: { ...graph, outputs: [...graph.outputs, ...added] } });
    using session = openOnnx(bytes, { optimize: false });
    return tidy(() => {
      const feeds = inputs.map(({ shape = [], dtype }) =>
        ops.zeros(
          shape.map((size) => (typeof size === 'number' ? size : 1)),
          { dtype: dtype as DType },
        ),
      );
      const values = session.run(feeds, names);
      return new Map(
        Object.entries(values).map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
      );
    });
  } catch {
    return new Map(); // what cannot be run has no shapes to tell
  }
}
