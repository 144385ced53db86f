// The text of a config file: a regular file of a bounded size, in UTF-8. What else it may be is named.
import { isUtf8 } from 'node:buffer';

import { RetortError } from '../errors.ts';
import { readBytes, statOf } from '../files.ts';

/**
 * The text without a byte order mark.
 * @param name what errors call the file
 * @throws {RetortError} for what is not a regular file, is larger than `maxBytes`, cannot be read, or is not UTF-8.
 */
export function readConfigText(path: string, name: string, maxBytes: number): string {
  const stats = statOf(path); // before it is opened: opening a pipe would wait for a writer
  if (stats?.isFile() !== true) throw new RetortError(`${name}: this is not a regular file`, { code: 'invalid-file' });
  if (stats.size > maxBytes) throw tooLong(name, stats.size, maxBytes);
  const bytes = readBytes(path);
  if (bytes.length > maxBytes) throw tooLong(name, bytes.length, maxBytes); // some files have no size until they are read
  const encoding = otherEncoding(bytes);
  if (encoding !== undefined) {
    throw new RetortError(
      `${name}: the file is not UTF-8 text${encoding === '' ? '' : `, it looks like ${encoding}`}`,
      { code: 'invalid-file', help: 'save it as UTF-8' },
    );
  }
  return bytes.toString('utf8').replace(/^\ufeff/, '');
}

function tooLong(name: string, size: number, maxBytes: number): RetortError {
  return new RetortError(`${name}: the file has ${size} bytes; at most ${maxBytes}`, { code: 'invalid-file' });
}

/** What the bytes are instead of UTF-8: the name of an encoding, or `''` where nothing tells; undefined for UTF-8. */
function otherEncoding(bytes: Buffer): string | undefined {
  const start = bytes.subarray(0, 4).toString('hex');
  if (start.startsWith('0000feff') || start.startsWith('fffe0000')) return 'UTF-32';
  if (start.startsWith('feff') || start.startsWith('fffe')) return 'UTF-16';
  if (!isUtf8(bytes)) return '';
  // Every other byte of plain English in UTF-16 is 0, which is valid UTF-8 too.
  const head = bytes.subarray(0, 64);
  const zeros = head.filter((byte) => byte === 0).length;
  return head.length >= 4 && zeros * 3 >= head.length ? 'UTF-16' : undefined;
}
