// Decodes an image file to bytes with sharp, which is loaded when the first image is. The bytes are what Pillow and OpenCV give:
// the profile of colours is ignored, transparency dropped, grey made RGB (or RGB grey), and the orientation in the file applied.
import { readFile } from 'node:fs/promises';

import type sharp from 'sharp';

import { RetortError } from '../errors.ts';
import { fileError } from '../formats/file-error.ts';
import type { Pixels } from './dataset.ts';

export interface DecodeOptions {
  /** 3 for RGB (default), 1 for grey. */
  channels?: 1 | 3;
  /** Larger images are refused before they take memory. Default 100 million. */
  maxPixels?: number;
}

/** The endings of files that are taken for images. */
export const imageExtensions = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff'];

/** How files of these formats begin; others (sharp would also read vector graphics) are refused. */
const beginnings = ['ffd8ff', '89504e470d0a1a0a', '52494646........57454250', '47494638', '49492a00', '4d4d002a'].map(
  (bytes) => new RegExp(`^${bytes}`),
);

/** @throws {RetortError} that names the file, for one that cannot be read, is no image, is cut off or is too large. */
export async function decodeImage(file: string, options: DecodeOptions = {}): Promise<Pixels> {
  const { channels = 3, maxPixels = 1e8 } = options;
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw fileError('read', file, cause);
  });
  const start = bytes.subarray(0, 12).toString('hex');
  if (!beginnings.some((beginning) => beginning.test(start))) {
    throw new RetortError(`cannot decode ${file}: it is no JPEG, PNG, WebP, GIF or TIFF (it begins with "${start}")`, {
      help: bytes.length === 0 ? 'the file is empty: copy it again' : 'convert it, or leave it out of the data set',
    });
  }
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels, ignoreIcc: true })
      .autoOrient()
      .removeAlpha()
      .toColourspace(channels === 3 ? 'srgb' : 'b-w')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { data, height: info.height, width: info.width, channels: info.channels, source: file };
  } catch (cause) {
    throw damaged(file, maxPixels, cause);
  }
}

function damaged(file: string, maxPixels: number, cause: unknown): RetortError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (/pixel limit/.test(reason)) {
    return new RetortError(`cannot decode ${file}: it has more than ${maxPixels} pixels`, {
      help: 'raise `maxPixels` if you trust the file, or make the image smaller',
      cause,
    });
  }
  return new RetortError(`cannot decode ${file}: it is damaged or cut off (${reason})`, {
    help: 'copy or download the file again, or leave it out of the data set',
    cause,
  });
}

let loading: Promise<typeof sharp> | undefined;

function loadSharp(): Promise<typeof sharp> {
  loading ??= import('sharp').then(
    (module) => module.default,
    (cause: unknown) => {
      throw new RetortError('images are decoded with the package sharp, which cannot be loaded here', {
        help: 'npm install sharp',
        cause,
      });
    },
  );
  return loading;
}
