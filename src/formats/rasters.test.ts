// BMP and Netpbm: what is damaged is a FormatError, whatever the bytes; good files are compared with Pillow in src/data.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FormatError, parseBmp, parsePnm } from './index.ts';

const folder = join(import.meta.dirname, '../../test/fixtures/images');
const samples = (end: RegExp): [string, Buffer][] =>
  readdirSync(folder)
    .filter((name) => end.test(name))
    .map((name) => [name, readFileSync(join(folder, name))]);

const kinds = [
  { format: 'bmp', parse: parseBmp, files: samples(/\.bmp$/) },
  { format: 'pnm', parse: parsePnm, files: samples(/\.p[bgp]m$/) },
];

const codeOf = (parse: () => unknown): string => {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return (error as FormatError).code;
  }
  return 'fine';
};

describe.each(kinds)('$format', ({ parse, files }) => {
  it('says where a file is cut off, at every byte', () => {
    for (const [name, bytes] of files) {
      const sure = bytes.length - 4; // the last bytes may be padding, the mark of an end, or digits of the last number
      for (let length = 0; length < sure; length++) {
        expect(
          codeOf(() => parse(bytes.subarray(0, length))),
          `${name}, ${length} bytes`,
        ).not.toBe('fine');
      }
    }
  });

  it('throws nothing but FormatError and gives whole images, whatever is altered', () => {
    const altered = fc.record({
      file: fc.nat(files.length - 1),
      changes: fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { minLength: 1, maxLength: 6 }),
    });
    fc.assert(
      fc.property(altered, ({ file, changes }) => {
        const bytes = Uint8Array.from(files[file]![1]);
        for (const [at, value] of changes) bytes[at] = value;
        codeOf(() => {
          const { width, height, channels, data } = parse(bytes, { maxPixels: 1e5 });
          expect(data.length).toBe(width * height * channels);
        });
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what is refused', () => {
  const bmp = (change: (view: DataView) => void): (() => unknown) => {
    const bytes = Uint8Array.from(readFileSync(join(folder, 'rgb.bmp')));
    change(new DataView(bytes.buffer));
    return () => parseBmp(bytes);
  };
  it.each([
    ['another beginning', bmp((view) => view.setUint8(0, 0)), 'magic'],
    ['a header of another size', bmp((view) => view.setUint32(14, 13, true)), 'version'],
    ['no pixels', bmp((view) => view.setInt32(18, 0, true)), 'shape'],
    ['a negative width', bmp((view) => view.setInt32(18, -9, true)), 'shape'],
    ['too many pixels', bmp((view) => view.setInt32(18, 2 ** 30, true)), 'too-large'],
    ['2 bits a pixel', bmp((view) => view.setUint16(28, 2, true)), 'dtype'],
    ['a JPEG inside', bmp((view) => view.setUint32(30, 4, true)), 'dtype'],
    ['run lengths from the top', bmp((view) => (view.setUint32(30, 1, true), view.setInt32(22, -7, true))), 'dtype'],
    ['another Netpbm', () => parsePnm(Buffer.from('P7\n1 1 255\nx')), 'magic'],
    ['a word for a number', () => parsePnm(Buffer.from('P5 one 1 255\nx')), 'syntax'],
    ['a largest value of 0', () => parsePnm(Buffer.from('P5 1 1 0\nx')), 'syntax'],
    ['a largest value beyond 16 bits', () => parsePnm(Buffer.from('P5 1 1 65536\nxx')), 'syntax'],
    ['no pixels', () => parsePnm(Buffer.from('P5 0 1 255\n')), 'shape'],
    ['too many pixels', () => parsePnm(Buffer.from('P3 99999 99999 255\n')), 'too-large'],
    ['a huge plain image of few bytes', () => parsePnm(Buffer.from('P3 9999 9999 255\n1 2 3')), 'truncated'],
  ])('%s', (_, parse, code) => {
    expect(codeOf(parse)).toBe(code);
  });
});
