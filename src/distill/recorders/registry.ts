// The recorders that configs can name: `type` is the class's name without "Recorder".
import { z } from 'zod';

import { isObject } from '../../check.ts';
import type { MethodReference } from '../../intercept/taps.ts';
import { Module, Parameter } from '../../nn/index.ts';
import { addressTo, entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import {
  FunctionInputsRecorder,
  FunctionOutputsRecorder,
  MethodInputsRecorder,
  MethodOutputsRecorder,
} from './call-recorders.ts';
import { ModuleGradientsRecorder } from './module-gradients.ts';
import { ModuleInputsRecorder, ModuleOutputsRecorder } from './module-recorders.ts';
import { ParameterRecorder } from './parameter.ts';
import { Recorder } from './recorder.ts';

const ofModule = z.strictObject({
  source: z.custom<string | Module>(
    (value) => typeof value === 'string' || value instanceof Module,
    "expected a module's path ('' is the whole model) or a module",
  ),
});
const ofParameter = z.strictObject({
  source: z.custom<string | Parameter>(
    (value) => typeof value === 'string' || value instanceof Parameter,
    "expected a parameter's path or a parameter",
  ),
});
const address = {
  folder: z.string().exactOptional(),
  prefixes: z.record(z.string(), z.string()).exactOptional(),
};
const ofFunction = z.strictObject({
  source: addressTo<(...args: never[]) => unknown>('function', {
    others: (value) => typeof value === 'function',
    expected: "expected an address such as 'src/ops.ts#attention', or a function",
  }),
  ...address,
});
const ofMethod = z.strictObject({
  source: addressTo<MethodReference>('method', {
    others: (value) => isObject(value) && 'class' in value && 'method' in value,
    expected: "expected an address such as 'src/head.ts#Head.getTargets', or { class, method }",
  }),
  ...address,
});

const table = {
  ModuleOutputs: entry(ofModule, ({ source }) => new ModuleOutputsRecorder(source), {
    summary: 'What a module returns.',
  }),
  ModuleInputs: entry(ofModule, ({ source }) => new ModuleInputsRecorder(source), {
    summary: "The arguments of a module's forward.",
  }),
  ModuleGradients: entry(ofModule, ({ source }) => new ModuleGradientsRecorder(source), {
    summary: 'The gradient that flows back through what a module returned.',
  }),
  Parameter: entry(ofParameter, ({ source }) => new ParameterRecorder(source), { summary: 'A parameter, live.' }),
  FunctionOutputs: entry(ofFunction, ({ source, ...options }) => new FunctionOutputsRecorder(source, options), {
    summary: 'What a function returns.',
  }),
  FunctionInputs: entry(ofFunction, ({ source, ...options }) => new FunctionInputsRecorder(source, options), {
    summary: 'The arguments of a function.',
  }),
  MethodOutputs: entry(ofMethod, ({ source, ...options }) => new MethodOutputsRecorder(source, options), {
    summary: 'What a method of a class returns.',
  }),
  MethodInputs: entry(ofMethod, ({ source, ...options }) => new MethodInputsRecorder(source, options), {
    summary: 'The arguments of a method, without `this`.',
  }),
};

export const recorders = new Registry<Recorder, typeof table>('recorder', table);

/** A recorder from `{ type: 'ModuleOutputs', source: 'conv1' }`; one that is built already is taken as it is. */
export function buildRecorder(config: TypedConfig | Recorder, where?: string): Recorder {
  return config instanceof Recorder ? config : recorders.build(config, where);
}
