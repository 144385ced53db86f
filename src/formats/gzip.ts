// Inflates gzip data from untrusted files: first only the start, to learn the size that a header announces, then no byte more.

import { constants, gunzipSync } from 'node:zlib';

import type { Fail, FormatError } from './format-error.ts';

/** How many compressed bytes `inflateStart` looks at. */
const startBytes = 2 ** 16;
/** Deflate makes at most so many bytes of one. */
const maxRatio = 1032;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The first bytes of what `bytes` inflate to, as many as the first 64 KiB yield.
 *
 * @throws FormatError `compression`.
 */
export function inflateStart(bytes: Uint8Array, fail: Fail): Uint8Array {
  try {
    return gunzipSync(bytes.subarray(0, startBytes), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw damaged(cause, fail);
  }
}

/**
 * All of `bytes` inflated, which must give `size` bytes exactly; stops as soon as it gives more, and takes the memory once.
 *
 * @throws FormatError `compression`, `truncated`, `trailing-data`.
 */
export function inflateExactly(bytes: Uint8Array, size: number, fail: Fail): Uint8Array {
  if (size > bytes.length * maxRatio) {
    throw fail('truncated', `${bytes.length} compressed bytes cannot be the ${size} that its header announces`);
  }
  let inflated: Uint8Array;
  try {
    // One chunk for all of it: several would be joined to a second copy. A byte more shows that there is more.
    inflated = gunzipSync(bytes, { maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size + 1, 64) });
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE') {
      throw fail('trailing-data', `inflates to more than the ${size} bytes its header announces`, { cause });
    }
    throw damaged(cause, fail);
  }
  if (inflated.length < size) {
    throw fail('truncated', `inflates to ${inflated.length} bytes, its header announces ${size}`);
  }
  return inflated;
}

function damaged(cause: unknown, fail: Fail): FormatError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const help = 'download or copy the file again';
  return fail('compression', `the gzip data are damaged or cut off (${reason})`, { help, cause });
}
