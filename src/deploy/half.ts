// Models in half precision: half the size; inputs and outputs stay as they are.
import { RetortError } from '../errors.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../formats/index.ts';
import { halfOf } from './graph-builder.ts';
import { float32s } from './graph-passes.ts';

const largest = 65_504;
const smallest = 2 ** -24;

/** Inputs, by operator, that ONNX wants in float32 whatever the rest is in. */
const wide: Readonly<Record<string, readonly number[]>> = { Resize: [1, 2] };

/**
 * A model in float16: constants take half the room, and where the runtime has kernels of that type (GPUs, recent ARM processors) it is
 * faster; on others they are computed in float32. Inputs and outputs stay float32.
 *
 * @throws {RetortError} `not-finite` for a constant beyond 65504, `unsupported` for a model that is in 8 bits.
 *
 * @example
 * ```ts
 * writeOnnxFile('student-fp16.onnx', toHalf(exported.model));
 * ```
 */
export function toHalf(model: OnnxModel): OnnxModel {
  const { graph } = model;
  const integers = graph.nodes.find(({ opType }) => opType === 'QuantizeLinear' || opType === 'DequantizeLinear');
  if (integers !== undefined) {
    throw new RetortError('toHalf: expected a model in float32, got one in 8 bits', { code: 'unsupported' });
  }
  const keep = new Set(graph.nodes.flatMap((node) => (wide[node.opType] ?? []).flatMap((i) => node.inputs[i] ?? [])));
  const initializers = graph.initializers.map((tensor) =>
    tensor.dtype === 'float32' && !keep.has(tensor.name) ? halved(tensor) : tensor,
  );
  const nodes: OnnxNode[] = [];
  const names = new Map<string, string>();
  for (const { name, dtype } of graph.inputs) {
    if (dtype !== 'float32') continue;
    names.set(name, `${name}_half`);
    nodes.push(cast(name, `${name}_half`, 10));
  }
  const outputs = graph.outputs.filter(({ dtype }) => dtype === 'float32').map(({ name }) => name);
  for (const name of outputs) names.set(name, `${name}_half`);
  const renamed = (name: string): string => names.get(name) ?? name;
  for (const node of graph.nodes) {
    nodes.push({
      ...node,
      inputs: node.inputs.map(renamed),
      outputs: node.outputs.map(renamed),
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([key, attribute]) => {
          const toFloat = node.opType === 'Cast' && key === 'to' && attribute.value === 1;
          if (toFloat) return [key, { type: 'int', value: 10 } as const];
          const isTensor = attribute.type === 'tensor' && attribute.value.dtype === 'float32';
          return [key, isTensor ? { type: 'tensor', value: halved(attribute.value) } : attribute];
        }),
      ),
    });
  }
  for (const name of outputs) nodes.push(cast(`${name}_half`, name, 1));
  return { ...model, graph: { ...graph, nodes, initializers } };
}

function cast(from: string, to: string, type: number): OnnxNode {
  return {
    opType: 'Cast',
    name: `/${to}/Cast`,
    inputs: [from],
    outputs: [to],
    attributes: { to: { type: 'int', value: type } },
  };
}

function halved(tensor: OnnxTensor): OnnxTensor {
  const values = float32s(tensor);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Math.abs(value) > largest && Number.isFinite(value)) {
      throw new RetortError(`toHalf: "${tensor.name}" has the value ${value}, beyond ${largest} of float16`, {
        code: 'not-finite',
        help: 'leave the model in float32',
      });
    }
    // What keeps a division from zero must not become one.
    halves[i] = halfOf(value !== 0 && Math.abs(value) < smallest ? Math.sign(value) * smallest : value);
  }
  return { ...tensor, dtype: 'float16', data: new Uint8Array(halves.buffer) };
}
