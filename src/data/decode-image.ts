// Decodes an image file to bytes: BMP and Netpbm by readers of our own, all else with sharp, which is loaded when the first image is.
// The bytes are those of Pillow's `Image.open(file).convert('RGB')` (or `'L'`): profiles and gamma are ignored, transparency is
// dropped, gray of color is (299 R + 587 G + 114 B) / 1000, CMYK is converted without a profile. Two exceptions: of 16 bits of gray
// it is the high byte, which Pillow clips, and the orientation in the file is applied, as OpenCV does, unless `orient` is false.

import type sharp from 'sharp';

import { RetortError } from '../errors.ts';
import { readBytesAsync } from '../files.ts';
import { FormatError, parseBmp, parsePnm } from '../formats/index.ts';
import { hostOrder } from '../formats/numeric-array.ts';
import type { Pixels } from './dataset.ts';

/** How images in files are decoded. */
export interface DecodeOptions {
  /** 3 for RGB (default), 1 for gray. */
  channels?: 1 | 3;
  /** Larger images are refused before they take memory. Default 100 million. */
  maxPixels?: number;
  /**
   * Turn and mirror an image as its file says (EXIF). Default true, as OpenCV does; torchvision's loader does not. TIFF is always
   * turned: Pillow does that too.
   */
  orient?: boolean;
}

type Kind = 'BMP' | 'Netpbm' | 'JPEG' | 'PNG' | 'WebP' | 'GIF' | 'TIFF' | 'AVIF';

/** How files of each format begin, in hex; others (sharp would also read vector graphics) are refused. */
const beginnings: readonly (readonly [kind: Kind, start: RegExp])[] = [
  ['JPEG', /^ffd8ff/],
  ['PNG', /^89504e470d0a1a0a/],
  ['WebP', /^52494646.{8}57454250/],
  ['GIF', /^47494638/],
  ['TIFF', /^(49492[ab]00|4d4d002[ab])/],
  ['AVIF', /^.{8}66747970(61766966|61766973|6d696631)/],
  ['BMP', /^424d/],
  ['Netpbm', /^503[1-6](0[9a-d]|20|23)/],
];

/** Images that cannot be decoded here, by how they begin. */
const foreign: readonly (readonly [name: string, start: RegExp])[] = [
  ['HEIC', /^.{8}66747970(68656963|68656978|68657663|6d736631)/],
  ['JPEG XL', /^(ff0a|0000000c4a584c20)/],
  ['JPEG 2000', /^(0000000c6a502020|ff4fff51)/],
];

/** Bytes that {@link kindOf} looks at. */
export const beginningBytes = 16;

/** The format of a file, known by its first bytes. @throws {RetortError} that says why an image cannot be decoded. */
export function kindOf(file: string, bytes: Uint8Array): Kind {
  const start = Buffer.from(bytes.subarray(0, beginningBytes)).toString('hex');
  const kind = beginnings.find(([, beginning]) => beginning.test(start))?.[0];
  if (kind !== undefined) return kind;
  if (bytes.length === 0)
    throw new RetortError(`cannot decode ${file}: the file is empty`, { code: 'invalid-file', help: copyAgain });
  const other = foreign.find(([, beginning]) => beginning.test(start))?.[0];
  const known = `expected ${beginnings.map(([name]) => name).join(', ')}`;
  throw new RetortError(
    `cannot decode ${file}: ${known} (it ${other === undefined ? `begins with "${start}"` : `is ${other}`})`,
    { code: 'invalid-file', help: 'convert it, for example to PNG, or leave it out of the data set' },
  );
}

const copyAgain = 'copy or download the file again, or leave it out of the data set';

/**
 * The pixels of an image file.
 * @param image the path of the file, or its bytes
 * @throws {RetortError} that names the file, for one that cannot be read, is not an image, is truncated or too large.
 */
export async function decodeImage(image: string | Uint8Array, options: DecodeOptions = {}): Promise<Pixels> {
  const { channels = 3, maxPixels = 1e8, orient = true } = options;
  const file = typeof image === 'string' ? image : 'the image';
  const bytes = typeof image === 'string' ? await readBytesAsync(image) : Buffer.from(image);
  const kind = kindOf(file, bytes);
  try {
    const own = kind === 'BMP' ? parseBmp : kind === 'Netpbm' ? parsePnm : undefined;
    const read = own === undefined ? await bySharp(bytes, { kind, maxPixels, orient }) : own(bytes, { maxPixels });
    const data = channels === read.channels ? read.data : channels === 1 ? toGray(read.data) : toRgb(read.data);
    return { data, height: read.height, width: read.width, channels, source: file };
  } catch (cause) {
    throw damaged(file, maxPixels, cause);
  }
}

interface SharpOptions {
  kind: Kind;
  maxPixels: number;
  orient: boolean;
}

/** The image as RGB, in JavaScript's own memory. */
async function bySharp(bytes: Buffer, { kind, maxPixels, orient }: SharpOptions): Promise<Omit<Pixels, 'source'>> {
  const sharp = await loadSharp();
  const options = { failOn: 'error', limitInputPixels: maxPixels, ignoreIcc: true } as const;
  const input = kind === 'GIF' ? opaqueGif(bytes) : bytes;
  const about = kind === 'TIFF' ? await sharp(bytes, options).metadata() : undefined;
  const cmyk = about === undefined ? kind === 'JPEG' && jpegComponents(bytes) === 4 : about.space === 'cmyk';
  const deep = cmyk && about?.depth === 'ushort'; // sharp would clip these, and not other colors of 16 bits
  const image = cmyk ? sharp(input, options).pipelineColourspace('cmyk') : sharp(input, options);
  const { data, info } = await (orient || kind === 'TIFF' ? image.autoOrient() : image)
    .removeAlpha()
    .toColourspace(cmyk ? 'cmyk' : 'srgb')
    .raw({ depth: deep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return {
    data: cmyk ? cmykToRgb(deep ? highBytes(data) : data) : data,
    height: info.height,
    width: info.width,
    channels: 3,
  };
}

/** As Pillow: `(19595 R + 38470 G + 7471 B) / 65536`, rounded. */
function toGray(rgb: Uint8Array): Uint8Array {
  const gray = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < gray.length; i++) {
    gray[i] = (rgb[3 * i]! * 19_595 + rgb[3 * i + 1]! * 38_470 + rgb[3 * i + 2]! * 7471 + 0x8000) >> 16;
  }
  return gray;
}

function toRgb(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(gray.length * 3);
  for (let i = 0; i < gray.length; i++) rgb.fill(gray[i]!, 3 * i, 3 * i + 3);
  return rgb;
}

/** As Pillow: `(1 - K) - C (1 - K)`, in integers. */
function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let i = 0; 4 * i < cmyk.length; i++) {
    const light = 255 - cmyk[4 * i + 3]!;
    for (let k = 0; k < 3; k++) {
      const product = cmyk[4 * i + k]! * light + 128;
      rgb[3 * i + k] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}

function highBytes(data: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: data.length / 2 }, (_, i) => data[2 * i + (hostOrder === 'little' ? 1 : 0)]!);
}

/** How many components a JPEG file has: 4 are CMYK, or YCCK, which becomes CMYK. 0 where its frame is not found. */
function jpegComponents(bytes: Uint8Array): number {
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) return 0;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9]!;
    else at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return 0;
}

/** The file without the transparency of its first frame, whose pixels sharp gives as black: Pillow gives them their color. */
function opaqueGif(bytes: Buffer): Buffer {
  const colors = (packed: number): number => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0);
  let at = 13 + colors(bytes[10] ?? 0);
  while (bytes[at] === 0x21) {
    if (bytes[at + 1] === 0xf9 && (bytes[at + 3] ?? 0) & 1) {
      const opaque = Buffer.from(bytes);
      opaque[at + 3]! &= ~1;
      return opaque;
    }
    for (at += 2; (bytes[at] ?? 0) > 0; at += bytes[at]! + 1);
    at++;
  }
  return bytes;
}

function damaged(file: string, maxPixels: number, cause: unknown): RetortError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (/pixel limit/.test(reason) || (cause instanceof FormatError && cause.code === 'too-large')) {
    return new RetortError(`cannot decode ${file}: it has more than ${maxPixels} pixels`, {
      code: 'invalid-file',
      help: 'raise `maxPixels` if you trust the file, or make the image smaller',
      cause,
    });
  }
  if (cause instanceof RetortError && !(cause instanceof FormatError)) return cause;
  return new RetortError(`cannot decode ${file}: it is damaged or truncated (${reason.split('\n')[0]})`, {
    code: 'invalid-file',
    help: copyAgain,
    cause,
  });
}

let loading: Promise<typeof sharp> | undefined;

function loadSharp(): Promise<typeof sharp> {
  loading ??= import('sharp').then(
    (module) => module.default,
    (cause: unknown) => {
      throw new RetortError('images are decoded with the package sharp, which cannot be loaded here', {
        code: 'not-found',
        help: 'npm install sharp',
        cause,
      });
    },
  );
  return loading;
}
