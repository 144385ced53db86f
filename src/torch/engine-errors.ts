// What libtorch says, as our error: without its C++, and with help for what people usually meet.
import { RetortError } from '../errors.ts';
import type { RetortErrorCode } from '../errors.ts';

/** A sentence of libtorch, and the help for it; a function gets what the pattern matched and the whole message. */
type Way = readonly [RegExp, string | ((match: RegExpMatchArray, message: string) => string)];

/** libtorch's names of element types, as it prints them in calls and in C++. */
const typeNames: Readonly<Record<string, string>> = {
  Byte: 'uint8',
  Char: 'int8',
  Short: 'int16',
  Int: 'int32',
  Long: 'int64',
  Half: 'float16',
  Float: 'float32',
  Double: 'float64',
  Bool: 'bool',
  BFloat16: 'bfloat16',
  ComplexFloat: 'complex64',
  ComplexDouble: 'complex128',
};

/** Where the arguments of one call have different dtypes: which they are, and how to make them one. */
function oneDType(_match: RegExpMatchArray, message: string): string {
  const given = [...message.matchAll(/(\w+): (?:\[\d+ tensors: )?(\w+)\[/g)].map(
    ([, name, type]) => [name!, typeNames[type!] ?? type!] as const,
  );
  const types = new Set([
    ...given.map(([, type]) => type),
    ...[...message.matchAll(/'([A-Z]\w+)'|dtype ([A-Z]\w+)/g)].map(([, a, b]) => typeNames[(a ?? b)!] ?? ''),
  ]);
  const facts = types.size > 1 ? `${given.map(([name, type]) => `${name} is ${type}`).join(', ')}: ` : '';
  if (types.has('uint8')) {
    return `${facts}images are bytes until \`Normalize\` makes them float32: add it to the transforms, or convert with .to('float32')`;
  }
  if (types.has('float16')) {
    return `${facts}on a CPU float16 is for storage: compute in float32 or bfloat16, .to('float32')`;
  }
  return `${facts}convert the data to the dtype of the weights, usually .to('float32')`;
}

/** A product whose inner sizes differ: of a linear layer that was given a map in place of a vector, how to make it one. */
function unequalFactors([, , inner, other]: RegExpMatchArray, message: string): string {
  const sizes = /linear\(input: \w+\[([\d, ]+)\]/.exec(message)?.[1]?.split(',').map(Number) ?? [];
  if (sizes.length > 2 && sizes.slice(1).reduce((product, size) => product * size, 1) === Number(other)) {
    return 'the input is a map; as a vector it would fit: .flatten(1), or the layer Flatten before it';
  }
  return `${inner} and ${other} must be equal: give the layer as many inFeatures as the input has (${inner}), or transpose a factor with .t()`;
}

const ways: readonly Way[] = [
  [
    /out of memory/,
    'use a smaller batch or smaller images, free tensors (tidy, dispose), or a machine with more memory',
  ],
  [/Expected all tensors to be on the same device|on cuda.*on cpu/s, 'move the tensors to one device with to(...)'],
  [/was freed/, 'return the tensor from its scope, or hand it to keep()'],

  // dtypes
  [
    /expected scalar type Long|expected target dtype to be Long|Expected dtype int64|must be long|scalar types: Long|only applicable to index tensor/,
    "class numbers and indices are int64: tensor([...], { dtype: 'int64' }), or .to('int64')",
  ],
  [
    /expected scalar type \w+ but found|(?:input|weight|bias) type.* should be the same|must have the same dtype|mixed dtype|not implemented for '(?:Byte|Char|Short|Int|Long|Half|Bool)'|Found dtype \w+ but expected|expected .* to have the same dtype/i,
    oneDType,
  ],
  [/could not infer output dtype|input dtype should be either floating point/, "convert with .to('float32') first"],
  [
    /Only Tensors of floating point and complex dtype can require gradients|must be floating point or complex dtype/,
    "integers and booleans have no gradients: .to('float32') first",
  ],
  [
    /result type \w+ can't be cast to the desired output type/,
    'an operator that ends in _ keeps the dtype of its tensor: use the one without _, or convert the tensor first',
  ],
  [/without overflow|is out of bounds for (?:unsigned )?\w+$/, 'choose a dtype that holds the value'],

  // shapes
  [/mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)/, unequalFactors],
  [
    /Expected size for first two dimensions of batch2|batch1 and batch2 must be|size mismatch/,
    'a product of (B, n, m) wants (B, m, p): transpose a factor with .transpose(1, 2)',
  ],
  [
    /must match the size of tensor b|must match the existing size|expanded size of the tensor/,
    'sizes are compared from the last dimension and must be equal or 1: reshape or unsqueeze one of the two',
  ],
  [
    /doesn't match the broadcast shape/,
    'an operator that ends in _ cannot make its tensor larger: use the one without _',
  ],
  [
    /Sizes of tensors must match except in dimension|stack expects each tensor to be equal size/,
    'all tensors must have the same sizes (for cat: except in its dimension): interpolate, pad or slice them',
  ],
  [/view size is not compatible/, 'use reshape(...), which copies where it must, or contiguous() before view'],
  [
    /is invalid for input of size (\d+)/,
    ([, count]) => `the sizes must multiply to ${count}; one of them may be -1 and is worked out`,
  ],
  [
    /to have (\d+) channels, but got (\d+) channels/,
    ([, wanted, given]) =>
      `images are (N, C, H, W): make the layer with inChannels: ${given}, or use images of ${wanted} channels`,
  ],
  [
    /Expected \dD \(unbatched\) or \dD \(batched\) input|input_size equals to \d/,
    'images are (N, C, H, W): unsqueeze(0) adds the dimension of the batch',
  ],
  [
    /Kernel size can't be greater than actual input size|Output size is too small|Padding size should be less/,
    'the image is too small at this layer: use larger images, padding, or fewer strides before it',
  ],
  [
    /running_mean should contain (\d+) elements not (\d+)/,
    ([, given]) => `make the batch norm with numFeatures: ${given}, the channels of its input`,
  ],
  [
    /Dimension out of range/,
    'dimensions count from 0, or from -1 backwards; unsqueeze or keepdim keeps one that is missing',
  ],
  [
    /input batch_size \(\d+\) to match target batch_size/,
    'scores are (N, classes) and targets (N): both must have the same N',
  ],

  // indices
  [
    /Target -?\d+ is out of bounds|Class values must be/,
    'class numbers lie within 0 and the number of classes - 1: compare the labels with numClasses of the head',
  ],
  [
    /index -?\d+ (?:is )?out of (?:range|bounds)|index out of range/,
    'indices lie within 0 and the size of that dimension - 1',
  ],

  // gradients
  [
    /backward through the graph a second time/,
    'pass { retainGraph: true } to the first backward, or run the forward again; what is kept from step to step needs detach()',
  ],
  [
    /grad can be implicitly created only for scalar outputs/,
    'reduce the loss first (.mean() or .sum()), or give backward a gradient of its shape',
  ],
  [/invalid gradient at index/, 'the gradient given to backward must have the shape of the tensor'],
  [
    /leaf Variable that requires grad is being used in an in-place operation/,
    'change a parameter inside noGrad(() => ...), or use the operator without _',
  ],
  [
    /modified by an inplace operation/,
    'the backward needs the value from before: use the operator without _ there, or work on a clone()',
  ],
  [
    /[Ii]nference tensor/,
    'use noGrad instead of inferenceMode where the result enters a loss or is changed later, or clone() it',
  ],
  [
    /appears to not have been used in the graph/,
    'pass { allowUnused: true } to get null for it, or check that the loss uses it',
  ],
  [
    /does not require grad|requires_grad=False/,
    'a loss needs parameters that require gradients, and no noGrad() around it',
  ],
  [
    /hook '\d+' has changed the (?:size|type) of value/,
    'a hook returns a tensor of the shape and dtype of the gradient, or nothing',
  ],

  [
    /one number for each spatial dimension/,
    'height and width of an image are two numbers, the length of a signal one, the size of a volume three',
  ],

  // the rest
  [
    /Cannot copy out of meta tensor|_local_scalar_dense.*'Meta'/,
    'a tensor on "meta" has a shape and no values: make it on the CPU to read it',
  ],
  [/There were no tensor arguments to this function/, 'the list of tensors is empty: give it one at least'],
  [/sparse|unsupported memory format option/i, 'most operators, and reading values, want a dense tensor: toDense()'],
  [
    /have incompatible tensor type/,
    'data can be taken over only from a tensor of the same device and layout: convert it first',
  ],
  [/complex numbers have no JavaScript value/, 'read real() and imag() of it'],
  [/should be between 0 and 1/, 'the input is probabilities: apply sigmoid() first, or use the loss with logits'],
  [
    /contains either `inf`, `nan` or element < 0|invalid multinomial distribution|Expected p_in/,
    'probabilities are finite and at least 0: softmax makes them from logits',
  ],
  [
    /non-finite values|not positive-definite|matrix is singular|failed to converge/,
    'check the matrix with isfinite().all(); a small multiple of eye(n) added to it makes it regular',
  ],
  [
    /Could not run '/,
    'this operator does not exist for tensors of this kind; convert them (toDense(), a device, a dtype)',
  ],
  [
    /INTERNAL ASSERT|defect of libtorch/,
    'libtorch does not expect such arguments: try others, and check shapes and dtypes',
  ],
];

/** An error of libtorch as ours, with help where there is a usual remedy. */
export function engineError(message: string): RetortError {
  const text = withoutCode(message.replace(/^aten::/, ''));
  const code = codeOf(text);
  for (const [pattern, way] of ways) {
    const match = pattern.exec(text);
    if (match !== null) return new RetortError(text, { code, help: typeof way === 'string' ? way : way(match, text) });
  }
  return new RetortError(text, { code });
}

function codeOf(text: string): RetortErrorCode {
  if (/out of memory|allocate memory|alloc_cpu/i.test(text)) return 'out-of-memory';
  return /this tensor was freed/.test(text) ? 'invalid-state' : 'engine';
}

/** Takes out what is about libtorch's own source: tables of kernels, places in files, where to report. */
function withoutCode(message: string): string {
  return message
    .replace(/(Could not run '[^']*' with arguments from the '[^']*' backend\.).*$/s, '$1')
    .replace(/ {2}This usually means that this function requires a non-empty list.*$/s, '')
    .replace(/\s*^\w+: (?:fallthrough )?registered at .*$/ms, '')
    .replace(
      / ?INTERNAL ASSERT FAILED at "[^"]*":\d+, please report a bug to PyTorch\.\s*/g,
      ' (a defect of libtorch) ',
    )
    .replace(
      /Expected static_cast<int64_t>\((\w+)->size\(\)\) == spatial_dimensions to be true, but got false\./g,
      'expected one number for each spatial dimension in $1',
    )
    .replace(/ ?\(Could this error message be improved\?.*?\)/gs, '')
    .trimEnd();
}

/** What the addon threw, as ours; anything else, such as what a hook threw, as it is. */
export function translated(error: unknown): unknown {
  const ours = error instanceof Error && (error as { code?: string }).code === 'RETORT_ENGINE';
  return ours ? engineError(error.message) : error;
}
