// From what people have (files, bytes, pixels, tensors) to what a network is given: the same transforms as in its evaluation.
import { isObject, shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { buildTransform, decodeImage, Resize } from '../data/index.ts';
import type { Pixels, Transform } from '../data/index.ts';
import { ops, Tensor, tensorFromBytes, tidy } from '../torch/index.ts';
import type { Preprocessing } from './model-info.ts';

/**
 * An image: the path of a file, the bytes of one, pixels of 0 to 255, or a tensor. A uint8 tensor `(C, H, W)` is an image of 0 to
 * 255; one of floating point is taken as it is, as what the network is to be given.
 */
export type ImageInput = string | Uint8Array | Omit<Pixels, 'source'> | Tensor;

/** An image whose bytes were read and decoded, or a tensor. */
export type DecodedImage = Pixels | Tensor;

/** Decodes what needs it. @throws {RetortError} that names the file, for one that cannot be read or is no image. */
export async function decoded(image: ImageInput, preprocessing: Preprocessing | null): Promise<DecodedImage> {
  if (image instanceof Tensor) return image;
  if (preprocessing === null) {
    throw new RetortError('predict: this model does not say how images become its inputs', {
      code: 'unsupported',
      help: 'give it tensors of floating point, as its network takes them',
    });
  }
  const channels = preprocessing.channels === 1 ? 1 : 3;
  if (typeof image === 'string' || image instanceof Uint8Array) return decodeImage(image, { channels });
  return { ...requirePixels(image), source: 'pixels' };
}

function requirePixels(image: Omit<Pixels, 'source'>): Omit<Pixels, 'source'> {
  const { data, height, width, channels } = isObject(image) ? image : ({} as Omit<Pixels, 'source'>);
  const count = height * width * channels;
  const sizes = [height, width, channels].every((size) => Number.isInteger(size) && size > 0);
  const areBytes = data instanceof Uint8Array || (data as unknown) instanceof Uint8ClampedArray;
  if (sizes && areBytes && data.length === count) {
    return { ...image, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  }
  const got = !areBytes ? shown(image) : `${data.length} bytes for ${height} x ${width} x ${channels}`;
  throw new RetortError(
    `predict: expected a path, bytes, a tensor, or { data, height, width, channels } with height * width * channels bytes, got ${got}`,
    { help: 'the pixels of a canvas have 4 channels: leave out every fourth byte' },
  );
}

/** Makes one input `(1, C, H, W)` of each image. @throws {RetortError} for an image of another number of channels. */
export class ImagePreparation implements Disposable {
  readonly #preprocessing: Preprocessing | null;
  readonly #transforms: readonly Transform[];
  readonly #resize: Resize | undefined;

  constructor(preprocessing: Preprocessing | null) {
    this.#preprocessing = preprocessing;
    const list = preprocessing?.transforms ?? [];
    this.#transforms = list.map((one, i) => buildTransform(one, `preprocessing.transforms.${i}`));
    // A network that was evaluated on images of one size is given that size, also where its data had it by nature.
    const size = preprocessing?.size ?? undefined;
    const fixed = this.#transforms.some(({ fixesSize }) => fixesSize === true);
    if (size !== undefined && !fixed) this.#resize = new Resize({ size: [size[0], size[1]] });
  }

  /** Frees what the transforms hold. */
  [Symbol.dispose](): void {
    for (const transform of this.#transforms) (transform as Partial<Disposable>)[Symbol.dispose]?.();
  }

  /** In the caller's scope. */
  prepare(image: DecodedImage): Tensor {
    return tidy(() => {
      if (image instanceof Tensor && image.dtype !== 'uint8') return batched(image);
      const pixels =
        image instanceof Tensor
          ? batched(image)
          : tensorFromBytes(image.data, 'uint8', [1, image.height, image.width, image.channels])
              .permute([0, 3, 1, 2])
              .contiguous();
      const known = this.#preprocessing;
      if (known === null) return pixels.to('float32');
      if (pixels.shape[1] !== known.channels) {
        throw new RetortError(`predict: expected an image of ${known.channels} channels, got ${pixels.shape[1]}`, {
          help: 'a file of any kind is converted; pixels and tensors are not',
        });
      }
      const [, , height, width] = pixels.shape;
      const fits = known.size === null || (known.size[0] === height && known.size[1] === width);
      const sized = fits ? pixels : (this.#resize?.apply(pixels) ?? pixels);
      const context = { seed: 0, epoch: 0, samples: [0] };
      return this.#transforms.reduce((one, transform) => transform.apply!(one, context), sized).to('float32');
    });
  }

  /** Images of one size as one batch, in the caller's scope. */
  batch(images: readonly DecodedImage[]): Tensor {
    const prepared = images.map((image) => this.prepare(image));
    const [first] = prepared;
    const other = prepared.find(({ shape }) => shape.join() !== first!.shape.join());
    if (other !== undefined) {
      const shown = ({ shape }: Tensor): string => `(${shape.slice(1).join(', ')})`;
      throw new RetortError(
        `predict: images of one call must be of one size, got ${shown(first!)} and ${shown(other)}`,
        {
          help: 'call predict for each, or resize them first',
        },
      );
    }
    return ops.cat(prepared);
  }
}

/** `(C, H, W)` as `(1, C, H, W)`; one image of a batch as it is. */
function batched(image: Tensor): Tensor {
  const isEmpty = image.shape.includes(0);
  if (image.ndim === 3 && !isEmpty) return image.unsqueeze(0);
  if (image.ndim === 4 && image.shape[0] === 1 && !isEmpty) return image;
  throw new RetortError(`predict: expected a tensor (C, H, W) of one image, got (${image.shape.join(', ')})`, {
    help: 'a batch (N, C, H, W) is given alone: predict(batch)',
  });
}
