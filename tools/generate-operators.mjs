// Writes src/torch/generated/operators.ts: the typed table of libtorch's public operators, from its own schemas.
// Run with `npm run generate` after a change here; the result is committed, so that types do not depend on the machine.
// With libtorch 2 (RETORT_ADDON names an addon built for it) newer-operators.ts is written instead: what the first table lacks.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const native = createRequire(import.meta.url)(process.env['RETORT_ADDON'] ?? '../build/retort.node');
const version = /** @type {string} */ (native.info().version);
const folder = new URL('../src/torch/generated/', import.meta.url);
const isNewer = !version.startsWith('1.');

/** The TypeScript type of each kind of argument, in the order of native/operators.h. */
const argumentTypes = [
  'Tensor',
  'Int',
  'number',
  'boolean',
  'Scalar',
  'string',
  'DType',
  'Layout',
  'MemoryFormat',
  'Device',
  'Generator',
  'readonly number[]',
  'readonly number[]',
  'readonly boolean[]',
  'readonly Tensor[]',
  'readonly (Tensor | null)[]',
  'readonly number[]',
];
const resultTypes = {
  0: 'Tensor',
  1: 'number',
  2: 'number',
  3: 'boolean',
  4: 'number',
  9: 'number',
  11: 'number[]',
  14: 'Tensor[]',
};
const unsupported = 17;

/** What the public table leaves out: internals, backward formulas, other back ends; `callOperator` reaches them all the same. */
const internal =
  /^_|_backward|_copy$|^(q|quantize|fake_quantize|fbgemm|mkldnn|cudnn|miopen|fused_moving|rename|unsafe_)|_(jvp|forward)$|^(sym|names|align|refine|segment_reduce|sspaddmm|hspmm|sparse_|to_mkldnn|to_padded|thnn|slow_conv|row_indices|col_indices|crow|ccol|lift|conj_physical|record_stream|retain_grad|requires_grad|set_data|output_nr|is_leaf|data|item|wait|backward|equal_names|result_type_names)/;

const camelCase = (/** @type {string} */ name) =>
  name.replace(/(?<=[a-zA-Z0-9])_+([a-zA-Z0-9])/g, (_, /** @type {string} */ letter) => letter.toUpperCase());
const reserved = new Set(['default', 'var', 'new', 'function', 'in', 'with', 'else', 'class']);

/** @param {any} argument */
function typeOf(argument) {
  let type = argumentTypes[argument.kind];
  if (argument.size > 0) type = `${type} | number`;
  return argument.optional ? `${type} | null` : type;
}

/** @param {any} argument */
const parameterName = (argument) =>
  reserved.has(camelCase(argument.name)) ? `${camelCase(argument.name)}_` : camelCase(argument.name);

/** The signatures of one overload, with its positional options also as named ones. @param {any} overload @param {boolean} method */
function signatures(overload, method) {
  const all = overload.arguments.slice(method ? 1 : 0).filter((/** @type {any} */ a) => a.kind !== unsupported);
  const positional = all.filter((/** @type {any} */ a) => !a.kwargOnly);
  const named = all.filter((/** @type {any} */ a) => a.kwargOnly);
  const lastRequired = positional.findLastIndex((/** @type {any} */ a) => !a.hasDefault && !a.optional);
  const field = (/** @type {any} */ a) => `${camelCase(a.name)}?: ${typeOf(a)}`;
  const factory = all.some((/** @type {any} */ a) => a.name === 'pin_memory') ? ['requiresGrad?: boolean'] : [];
  const result = returnType(overload);
  const build = (/** @type {number} */ count) => {
    const parts = positional
      .slice(0, count)
      .map(
        (/** @type {any} */ a, /** @type {number} */ i) =>
          `${parameterName(a)}${i > lastRequired ? '?' : ''}: ${typeOf(a)}`,
      );
    const options = [...positional.slice(count).map(field), ...named.map(field), ...factory];
    if (options.length > 0) parts.push(`options?: { ${options.join('; ')} }`);
    return `(${parts.join(', ')}): ${result}`;
  };
  const out = [build(positional.length)];
  if (lastRequired + 1 < positional.length) out.push(build(lastRequired + 1));
  return out;
}

/** @param {any} overload */
function returnType(overload) {
  const types = overload.returns.map(
    (/** @type {any} */ r) => resultTypes[/** @type {keyof typeof resultTypes} */ (r.kind)],
  );
  if (types.length === 0) return 'void';
  return types.length === 1 ? types[0] : `[${types.join(', ')}]`;
}

/** Overloads a person may call: no `out`, no named dimensions, every needed argument and result of a known kind. @param {any} overload */
function callable(overload) {
  return (
    !overload.arguments.some((/** @type {any} */ a) => (a.kwargOnly && a.written) || /Dimname/.test(a.type)) &&
    overload.arguments.every((/** @type {any} */ a) => a.kind !== unsupported || a.hasDefault || a.optional) &&
    overload.returns.every((/** @type {any} */ r) => r.kind in resultTypes)
  );
}

/** What the table of the oldest libtorch has, where it is not the one that is written. */
const older = new Set(
  isNewer
    ? /functionNames: readonly string\[\] = '([^']*)'/
        .exec(readFileSync(new URL('operators.ts', folder), 'utf8'))?.[1]
        ?.split(' ')
    : [],
);
/** Questions that newer libtorch registers as operators, and a tensor of ours answers itself. */
const questions =
  /^(dim|numel|get_device|get_gradients|is_contiguous|storage_offset|promote_types|result_type)$|^(shallow_copy_data_|slice_inverse|linalg__)|_functional$/;

const names = native
  .operatorNames()
  .filter((/** @type {string} */ name) => name.startsWith('aten::'))
  .map((/** @type {string} */ name) => name.slice(6))
  .filter(
    (/** @type {string} */ name) => !internal.test(name) && !(isNewer && (older.has(name) || questions.test(name))),
  )
  .toSorted();
/** @type {string[]} */ const functions = [];
/** @type {string[]} */ const methods = [];
/** @type {string[]} */ const functionNames = [];
/** @type {string[]} */ const methodNames = [];
for (const name of names) {
  const overloads = native
    .describe(`aten::${name}`)
    .filter(callable)
    .toSorted(
      (/** @type {any} */ a, /** @type {any} */ b) =>
        a.arguments.length - b.arguments.length || (a.overload < b.overload ? -1 : 1),
    );
  if (overloads.length === 0) continue;
  functionNames.push(name);
  functions.push(
    ...unique(overloads.flatMap((/** @type {any} */ o) => signatures(o, false))).map(
      (s) => `  ${camelCase(name)}${s};`,
    ),
  );
  const onSelf = overloads.filter(
    (/** @type {any} */ o) => o.arguments[0]?.name === 'self' && o.arguments[0].kind === 0,
  );
  if (onSelf.length === 0) continue;
  methodNames.push(name);
  if (['item', 'data', 'backward', 'grad'].includes(name)) continue;
  methods.push(
    ...unique(onSelf.flatMap((/** @type {any} */ o) => signatures(o, true))).map((s) => `  ${camelCase(name)}${s};`),
  );
}

/** @param {string[]} list */
function unique(list) {
  return [...new Set(list)];
}

const head = `// Generated by tools/generate-operators.mjs from the schemas of libtorch ${version}. Do not edit.`;

const table = `${head}
import type { Device, DType, Layout, MemoryFormat } from '../dtype.ts';
import type { Generator } from '../random.ts';
import type { Tensor } from '../tensor.ts';

type Int = number | bigint;
/** A number where an operator takes one: whole numbers are integers, others doubles. */
export type Scalar = number | bigint | boolean;

/** Operators as methods: the first argument, self, is the tensor. */
export interface TensorOperators {
${methods.join('\n')}
}

/** Operators as functions. */
export interface Operators {
${functions.join('\n')}
}

export const methodNames: readonly string[] = '${methodNames.join(' ')}'.split(' ');

export const functionNames: readonly string[] = '${functionNames.join(' ')}'.split(' ');
`;

const newerText = functions.join('\n');
const imported = ['Device', 'DType', 'Layout', 'MemoryFormat'].filter((name) => newerText.includes(name));
const newer = `${head}
import type { ${imported.join(', ')} } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';

type Int = number | bigint;

/** Operators that libtorch 1.13 does not have: calling one that the loaded libtorch lacks is an error that names both. */
export interface NewerOperators {
${newerText}
}

export const newerNames: readonly string[] = '${functionNames.join(' ')}'.split(' ');
`;
const file = isNewer ? 'newer-operators.ts' : 'operators.ts';
writeFileSync(fileURLToPath(new URL(file, folder)), isNewer ? newer : table);
process.stdout.write(`${file}: ${functionNames.length} functions, ${isNewer ? 0 : methodNames.length} methods\n`);
