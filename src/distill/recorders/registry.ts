// The recorders that configs can name: `type` is the class's name without "Recorder".
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import {
  FunctionInputsRecorder,
  FunctionOutputsRecorder,
  MethodInputsRecorder,
  MethodOutputsRecorder,
} from './call-recorders.ts';
import { ModuleGradientsRecorder } from './module-gradients.ts';
import { ModuleInputsRecorder, ModuleOutputsRecorder } from './module-recorders.ts';
import { OnnxOutputsRecorder } from './onnx-outputs.ts';
import { ParameterRecorder } from './parameter.ts';
import { Recorder } from './recorder.ts';

const table = {
  ModuleOutputs: entry(ModuleOutputsRecorder.schema, ({ source }) => new ModuleOutputsRecorder(source), {
    summary: 'What a module returns.',
  }),
  ModuleInputs: entry(ModuleInputsRecorder.schema, ({ source }) => new ModuleInputsRecorder(source), {
    summary: "The arguments of a module's forward.",
  }),
  ModuleGradients: entry(ModuleGradientsRecorder.schema, ({ source }) => new ModuleGradientsRecorder(source), {
    summary: 'The gradient that flows back through what a module returned.',
  }),
  OnnxOutputs: entry(OnnxOutputsRecorder.schema, ({ source }) => new OnnxOutputsRecorder(source), {
    summary: 'A value inside of an ONNX file, by its name there.',
  }),
  Parameter: entry(ParameterRecorder.schema, ({ source }) => new ParameterRecorder(source), {
    summary: 'A parameter, live.',
  }),
  FunctionOutputs: entry(
    FunctionOutputsRecorder.schema,
    ({ source, ...options }) => new FunctionOutputsRecorder(source, options),
    {
      summary: 'What a function returns.',
    },
  ),
  FunctionInputs: entry(
    FunctionInputsRecorder.schema,
    ({ source, ...options }) => new FunctionInputsRecorder(source, options),
    {
      summary: 'The arguments of a function.',
    },
  ),
  MethodOutputs: entry(
    MethodOutputsRecorder.schema,
    ({ source, ...options }) => new MethodOutputsRecorder(source, options),
    {
      summary: 'What a method of a class returns.',
    },
  ),
  MethodInputs: entry(
    MethodInputsRecorder.schema,
    ({ source, ...options }) => new MethodInputsRecorder(source, options),
    {
      summary: 'The arguments of a method, without `this`.',
    },
  ),
};

/** The recorders that configs can name, each with the schema of its options. */
export const recorders = new Registry<Recorder, typeof table>('recorder', table);

/** A recorder from `{ type: 'ModuleOutputs', source: 'conv1' }`; one that is built already is taken as it is. */
export function buildRecorder(config: TypedConfig | Recorder, where?: string): Recorder {
  return config instanceof Recorder ? config : recorders.build(config, where);
}
