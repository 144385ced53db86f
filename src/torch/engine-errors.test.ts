// What libtorch says about mistakes that people make, with help; and nothing of its C++.
import { describe, expect, it } from 'vitest';

import { RetortError } from '../errors.ts';
import { BatchNorm2d, Conv2d, Linear, Sequential } from '../nn/index.ts';
import { engineInfo, grad, inferenceMode, ops, tensor, tidy } from './index.ts';
import { setData } from './internal.ts';
import type { DType, Tensor } from './index.ts';
import { engineError } from './engine-errors.ts';

const { ones } = ops;
const of = (dtype: DType, ...shape: number[]): Tensor => ones(shape, { dtype });
const parameter = (...shape: number[]): Tensor => ones(shape, { requiresGrad: true });
const indices = (...values: number[]): Tensor => tensor(values, { dtype: 'int64' });

const [major = 0, minor = 0] = engineInfo().version.split('.').map(Number);
/** Newer libtorch computes on a CPU what older has no kernel for: there it is no mistake. */
const computed = { 'since 2.0': major >= 2, 'after 2.6': major > 2 || (major === 2 && minor > 6) };

const mistakes: [what: string, make: () => unknown, way: RegExp, computed?: keyof typeof computed][] = [
  // Images without Normalize, and other dtypes that do not fit
  [
    'bytes into a convolution',
    () => ops.conv2d(of('uint8', 1, 3, 4, 4), ones([2, 3, 3, 3]), ones([2])),
    /Normalize.*float32/,
  ],
  [
    'bytes into one without bias',
    () => ops.conv2d(of('uint8', 1, 3, 4, 4), ones([2, 3, 3, 3])),
    /input is uint8, weight is float32.*Normalize/,
  ],
  ['bytes into a linear layer', () => ops.linear(of('uint8', 2, 3), ones([4, 3]), ones([4])), /Normalize/],
  ['bytes into a product', () => of('uint8', 2, 3).matmul(ones([3, 2])), /Normalize/],
  ['bytes into a batched product', () => ops.bmm(of('uint8', 1, 2, 3), ones([1, 3, 2])), /Normalize/],
  [
    'bytes into a batch norm',
    () => ops.batchNorm(of('uint8', 2, 3), ones([3]), ones([3]), ones([3]), ones([3]), true, 0.1, 1e-5, false),
    /Normalize/,
  ],
  ['bytes into a pool', () => ops.maxPool2d(of('uint8', 1, 1, 4, 4), 2), /Normalize/, 'since 2.0'],
  ['bytes into a softmax', () => of('uint8', 2, 3).softmax(1), /Normalize/],
  [
    'int64 into a linear layer',
    () => ops.linear(of('int64', 2, 3), ones([4, 3]), ones([4])),
    /input is int64, weight is float32.*\.to\('float32'\)/,
  ],
  [
    'float64 into a convolution',
    () => ops.conv2d(of('float64', 1, 3, 4, 4), ones([2, 3, 3, 3])),
    /input is float64.*\.to\('float32'\)/,
  ],
  [
    'float64 into a batch norm',
    () => ops.batchNorm(of('float64', 2, 3), ones([3]), ones([3]), ones([3]), ones([3]), true, 0.1, 1e-5, false),
    /\.to\('float32'\)/,
  ],
  ['float64 into an einsum', () => ops.einsum('ij,jk->ik', [of('float64', 2, 2), ones([2, 2])]), /\.to\('float32'\)/],
  [
    'float16 into a product',
    () => of('float16', 2, 3).matmul(of('float16', 3, 2)),
    /on a CPU float16 is for storage/,
    'since 2.0',
  ],
  [
    'float16 into a convolution',
    () => ops.conv2d(of('float16', 1, 3, 4, 4), of('float16', 2, 3, 3, 3)),
    /float16 is for storage/,
    'since 2.0',
  ],
  ['bfloat16 beside float32', () => ops.linear(of('bfloat16', 2, 3), ones([4, 3])), /input is bfloat16/],
  [
    'floats as class numbers',
    () => ops.crossEntropyLoss(ones([2, 3]), of('float64', 2)),
    /class numbers and indices are int64/,
  ],
  ['floats as indices', () => ones([3, 3]).index([ones([2])]), /int64/],
  ['int32 for gather', () => ones([3, 3]).gather(0, of('int32', 1, 1)), /int64/, 'after 2.6'],
  ['floats into an embedding', () => ops.embedding(ones([3, 3]), ones([2])), /int64/],
  ['the mean of integers', () => of('int64', 3).mean(), /\.to\('float32'\)/],
  ['a fraction added in place to integers', () => of('int64', 2).add_(0.5), /keeps the dtype/],
  ['integers that require a gradient', () => of('int64', 2).requiresGrad_(), /integers and booleans have no gradients/],

  // Shapes
  [
    'a product of shapes that do not fit',
    () => ones([2, 3]).matmul(ones([2, 3])),
    /3 and 2 must be equal: .*inFeatures/,
  ],
  [
    'a map for a linear layer',
    () => ops.linear(ones([4, 64, 1, 1]), ones([10, 64])),
    /as a vector it would fit: \.flatten\(1\)/,
  ],
  [
    'a map of another size for a linear layer',
    () => ops.linear(ones([4, 64, 2, 2]), ones([10, 64])),
    /2 and 64 must be equal/,
  ],
  ['a batched product', () => ops.bmm(ones([2, 3, 4]), ones([2, 3, 4])), /transpose\(1, 2\)/],
  [
    'a sum of shapes that do not fit',
    () => ones([2, 3]).add(ones([4, 3])),
    /from the last dimension and must be equal or 1/,
  ],
  ['a sum that would grow in place', () => ones([1, 3]).add_(ones([4, 3])), /use the one without _/],
  ['cat', () => ops.cat([ones([2, 3]), ones([2, 4])]), /all tensors must have the same sizes/],
  [
    'a size of another number of dimensions',
    () => ops.upsampleNearest2d(ones([1, 1, 4, 4]), [1, 2, 3]),
    /height and width of an image are two numbers/,
  ],
  ['stack', () => ops.stack([ones([2]), ones([3])]), /all tensors must have the same sizes/],
  ['a view of what is transposed', () => ones([2, 3]).t().view([6]), /use reshape/],
  ['a reshape', () => ones([2, 3]).reshape([4]), /must multiply to 6/],
  [
    'images of other channels',
    () => ops.conv2d(ones([1, 3, 4, 4]), ones([2, 4, 3, 3])),
    /inChannels: 3, or use images of 4 channels/,
  ],
  ['an image without a batch', () => ops.conv2d(ones([4, 4]), ones([2, 4, 3, 3])), /unsqueeze\(0\)/],
  [
    'an image smaller than the kernel',
    () => ops.conv2d(ones([1, 4, 2, 2]), ones([2, 4, 3, 3])),
    /the image is too small/,
  ],
  [
    'a batch norm of other channels',
    () => ops.batchNorm(ones([2, 3]), ones([4]), ones([4]), ones([4]), ones([4]), true, 0.1, 1e-5, false),
    /numFeatures: 3/,
  ],
  ['a dimension that is not there', () => ones([2, 3]).sum(3), /dimensions count from 0/],
  ['targets of another batch', () => ops.crossEntropyLoss(ones([2, 3]), indices(1, 0, 1)), /same N/],

  // Indices
  ['a class beyond the head', () => ops.crossEntropyLoss(ones([2, 3]), indices(5, 0)), /numClasses/],
  ['oneHot', () => indices(5).oneHot(3), /numClasses/],
  ['indexSelect', () => ones([2, 3]).indexSelect(0, indices(5)), /indices lie within/],
  ['gather', () => ones([2, 3]).gather(1, tensor([[5n]])), /indices lie within/],
  ['select', () => ones([2, 3]).select(0, 5), /indices lie within/],
  ['an embedding', () => ops.embedding(ones([2, 3]), indices(5)), /indices lie within/],

  // Gradients
  [
    'backward twice',
    () => {
      const x = parameter(2);
      const y = x.mul(x).sum();
      y.backward();
      y.backward();
    },
    /retainGraph: true/,
  ],
  ['a loss without parameters', () => ones([2]).sum().backward(), /a loss needs parameters that require gradients/],
  ['a loss that is no scalar', () => parameter(2).mul(2).backward(), /reduce the loss first/],
  [
    'a gradient of another shape',
    () =>
      parameter(2)
        .mul(2)
        .backward(ones([3])),
    /must have the shape of the tensor/,
  ],
  ['a parameter changed in place', () => parameter(2).add_(1), /inside noGrad/],
  ['a view of one changed in place', () => parameter(2).select(0, 0).add_(1), /inside noGrad/],
  [
    'a saved value changed in place',
    () => {
      const y = parameter(2).exp();
      y.add_(1);
      y.sum().backward();
    },
    /use the operator without _ there, or work on a clone\(\)/,
  ],
  [
    'inference tensors in a loss',
    () => inferenceMode(() => ones([2])).mul(parameter(2)),
    /use noGrad instead of inferenceMode/,
  ],
  ['an input that is not used', () => grad([parameter().mul(2)], [parameter()]), /allowUnused: true/],
  [
    'a hook that changes the shape',
    () => {
      const y = parameter(3).mul(2);
      y.registerHook(() => ones([2]));
      y.sum().backward();
    },
    /of the shape and dtype of the gradient/,
  ],

  // The rest
  ['values of a tensor that has none', () => ones([2], { device: 'meta' }).toArray(), /make it on the CPU/],
  ['values of a sparse tensor', () => ones([2, 2]).toSparse().data(), /toDense\(\)/],
  ['two devices', () => ones([2]).add(ones([2], { device: 'meta' })), /one device/],
  [
    'an operator without a kernel',
    () => ops.convDepthwise3d(ones([1, 1, 2, 2, 2]), ones([1, 1, 1, 1, 1]), [1, 1, 1], null, 1, 0, 1),
    /does not exist for tensors of this kind/,
  ],
  ['no tensors at all', () => ops.dequantize([]), /the list of tensors is empty/],
  ['data in another layout', () => setData(ones([2]), ones([2]).toSparse(1)), /same device and layout/],
  ['the value of a complex number', () => of('complex64').item(), /real\(\) and imag\(\)/],
  ['probabilities that are none', () => ops.binaryCrossEntropy(ones([2]).mul(2), ones([2])), /sigmoid/],
  ['samples of negative weights', () => ones([2]).neg().multinomial(1), /softmax/],
  ['a singular matrix', () => ops.linalgCholesky(ones([2, 2]).neg()), /eye\(n\)/],
];

describe('errors of libtorch', () => {
  it.each(mistakes)('%s', (_, make, way, when) => {
    let error: unknown;
    try {
      tidy(() => void make());
    } catch (thrown) {
      error = thrown;
    }
    if (when !== undefined && computed[when]) return expect(error).toBeUndefined();
    expect(error).toBeInstanceOf(RetortError);
    const { message, help } = error as RetortError;
    expect(help).toMatch(way);
    expect(message).not.toMatch(/frame #|\.cpp|registered at|report a bug|facebook|static_cast/);
  });

  it('have the path of the module', () => {
    const network = new Sequential(new Conv2d(3, 4, { kernelSize: 3 }), new BatchNorm2d(4));
    expect(() => network.forward(of('uint8', 1, 3, 8, 8))).toThrow(/in: 0 \(Conv2d[^]*help: .*Normalize/);
    expect(() => new Linear(3, 2).forward(of('uint8', 1, 3))).toThrow(/in: .*Linear[^]*help: .*Normalize/);
  });

  it('say so where libtorch fails itself', () => {
    const error = engineError(
      'aten::x(): size_a == b INTERNAL ASSERT FAILED at "../aten/src/ATen/x.cpp":12, please report a bug to PyTorch. sizes',
    );
    expect(error.message).toMatch(/^x\(\): size_a == b \(a defect of libtorch\) sizes/);
    expect(error.help).toMatch(/does not expect such arguments/);
  });
});
