// ONNX models run on tensors: every element type, what is refused, and what is said where onnxruntime is not there.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { onnxModelBytes } from '../../formats/index.ts';
import type { OnnxDType, OnnxNode } from '../../formats/index.ts';
import type { DType } from '../../torch/index.ts';
import { ops, tensor, tidy } from '../../torch/index.ts';
import { hasOnnxruntime, load, openOnnx } from './session.ts';

const node = (opType: string, inputs: string[], outputs: string[], attributes = {}): OnnxNode => {
  return { opType, name: opType, inputs, outputs, attributes };
};

function modelOf(nodes: OnnxNode[], dtypes: { x: OnnxDType; y: OnnxDType }): Uint8Array {
  const shape = ['n', 2];
  return onnxModelBytes({
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    metadata: {},
    graph: {
      name: 'g',
      nodes,
      initializers: [],
      inputs: [{ name: 'x', dtype: dtypes.x, shape }],
      outputs: [{ name: 'y', dtype: dtypes.y, shape }],
    },
  });
}

const doubled = modelOf([node('Add', ['x', 'x'], ['y'])], { x: 'float32', y: 'float32' });

describe.runIf(hasOnnxruntime())('OnnxSession', () => {
  it('runs a model on tensors, by name or in order', () => {
    using session = openOnnx(doubled);
    expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['n', 2] }]);
    tidy(() => {
      const x = ops.rand([3, 4], { dtype: 'float32' }).t().select(0, 0).view([1, 3]).t().expand([3, 2]);
      expect(session.run({ x })['y']).toBeAllClose(x.mul(2));
      expect(session.run([x], ['y'])['y']).toBeAllClose(x.mul(2));
    });
    tidy(() => session.prepared([tensor([[1, 2]])])());
  });

  it.each(['float32', 'float16', 'float64', 'uint8', 'int8', 'int16', 'int32', 'int64', 'bool'] as const)(
    'hands %s on as it is',
    (dtype: DType) => {
      using session = openOnnx(modelOf([node('Identity', ['x'], ['y'])], { x: dtype, y: dtype }));
      tidy(() => {
        const x = tensor([[0, 1]], { dtype });
        const { y } = session.run({ x });
        expect(y!.dtype).toBe(dtype);
        expect(y!.bytes()).toEqual(x.bytes());
      });
    },
  );

  it('runs a file', () => {
    expect(() => openOnnx('/nowhere/student.onnx')).toThrow(refusal('not-found', '/nowhere/student.onnx'));
  });

  it('refuses inputs that are not what the model says', () => {
    using session = openOnnx(doubled);
    tidy(() => {
      const x = tensor([[1, 2]]);
      expect(() => session.run({})).toThrow(refusal('invalid-argument', 'x', 'undefined'));
      expect(() => session.run({ x, z: x })).toThrow(refusal('unknown-name', 'z'));
      expect(() => session.run([x, x])).toThrow(refusal('invalid-argument', '1', 'x', '2'));
      expect(() => session.run(x as never)).toThrow(refusal('invalid-argument', 'feeds'));
      expect(() => session.run({ x: x.to('int64') })).toThrow(refusal('invalid-argument', 'float32', 'int64'));
      expect(() => session.run({ x: tensor([[1, 2, 3]]) })).toThrow(refusal('invalid-argument', '[n, 2]', '[1, 3]'));
      expect(() => session.run({ x }, ['z'])).toThrow(refusal('unknown-name', 'z', 'y'));
    });
    expect(() => openOnnx(Uint8Array.of(1, 2, 3))).toThrow(refusal('invalid-file', 'onnxruntime'));
    expect(() => openOnnx(doubled, { threads: 0 })).toThrow(refusal('invalid-argument', 'threads', '0'));
    expect(() => openOnnx(3 as never)).toThrow(refusal('invalid-argument', 'model', '3'));
  });

  it('says what onnxruntime says', () => {
    const reshape = node('Reshape', ['x', 's'], ['y']);
    const shape = {
      type: 'tensor',
      value: { name: '', dtype: 'int64', dims: [2], data: new Uint8Array(BigInt64Array.of(7n, 2n).buffer) },
    };
    using session = openOnnx(
      modelOf([node('Constant', [], ['s'], { value: shape }), reshape], { x: 'float32', y: 'float32' }),
      { optimize: false },
    );
    tidy(() => expect(() => session.run([tensor([[1, 2]])])).toThrow(refusal('engine', 'Reshape')));
  });

  it('ends when it is told to', () => {
    const session = openOnnx(doubled);
    session.dispose();
    session.dispose();
    tidy(() => expect(() => session.run([tensor([[1, 2]])])).toThrow(refusal('invalid-state', 'disposed')));
  });
});

it('says what to install where onnxruntime is not there, and what it found where it is another', () => {
  const none = (): never => {
    throw new Error('Cannot find module');
  };
  expect(() => load(none)).toThrow(refusal('not-found', 'onnxruntime-node', 'npm install onnxruntime-node'));
  const moved = (name: string): unknown => (name.endsWith('package.json') ? { version: '9.0.0' } : {});
  expect(() => load(moved)).toThrow(refusal('unsupported', '9.0.0', 'npm install onnxruntime-node', '1.20'));
  const broken = (name: string): unknown => (name.endsWith('package.json') ? { version: '9.0.0' } : none());
  expect(() => load(broken)).toThrow(refusal('unsupported', '9.0.0', 'Cannot find module'));
});
