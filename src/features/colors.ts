// Colors, letters and pixels: a scale of colors that looks as even as its numbers are, an image under it, a grid, a bar that says what the
// colors mean.
import type { Range, Size } from './numbers.ts';

/** A picture: red, green and blue of each pixel, 0 to 255, row by row. */
export interface Picture {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** Viridis (van der Walt and Smith 2015) at sixteen equal steps; between them it is as good as straight. */
const viridis =
  '440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e 1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725'
    .split(' ')
    .map((color) => [0, 2, 4].map((at) => Number.parseInt(color.slice(at, at + 2), 16)) as [number, number, number]);

/** The scale in 256 steps, three bytes each. */
const table = Uint8Array.from({ length: 256 * 3 }, (_, i) => {
  const at = (Math.floor(i / 3) / 255) * (viridis.length - 1);
  const first = Math.min(Math.floor(at), viridis.length - 2);
  const [from, to] = [viridis[first]![i % 3]!, viridis[first + 1]![i % 3]!];
  return Math.round(from + (to - from) * (at - first));
});

/** The color of a share of the range, 0 (dark blue) to 1 (yellow): lightness grows with it, also for those who see fewer colors. */
export function colorOf(share: number): readonly [red: number, green: number, blue: number] {
  const at = 3 * Math.round(255 * share);
  return [table[at]!, table[at + 1]!, table[at + 2]!];
}

/** Shares of the range as colors. */
export function colored(shares: Float32Array, [height, width]: Size): Picture {
  const data = new Uint8Array(shares.length * 3);
  for (const [i, share] of shares.entries()) data.set(colorOf(share), 3 * i);
  return { data, height, width };
}

/** `(1 - alpha) * image + alpha * colors`, of two pictures of one size. */
export function overlaid(image: Picture, colors: Picture, alpha: number): Picture {
  const data = image.data.map((value, i) => Math.round((1 - alpha) * value + alpha * colors.data[i]!));
  return { ...colors, data };
}

/** A picture of another size, each pixel the nearest one. */
export function enlarged(picture: Picture, [height, width]: Size): Picture {
  if (picture.height === height && picture.width === width) return picture;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * picture.height) / height);
    for (let x = 0; x < width; x++) {
      const from = 3 * (row * picture.width + Math.floor((x * picture.width) / width));
      data.set(picture.data.subarray(from, from + 3), 3 * (y * width + x));
    }
  }
  return { data, height, width };
}

/** An empty picture. */
function blank(height: number, width: number, value = 255): Picture {
  return { data: new Uint8Array(height * width * 3).fill(value), height, width };
}

/** Puts a picture into a larger one. */
function place(into: Picture, picture: Picture, [top, left]: readonly [top: number, left: number]): void {
  for (let y = 0; y < picture.height; y++) {
    const row = picture.data.subarray(3 * y * picture.width, 3 * (y + 1) * picture.width);
    into.data.set(row, 3 * ((top + y) * into.width + left));
  }
}

/** Tiles of one size, row by row, edge to edge; places that are left are white. */
export function grid(tiles: readonly Picture[], [rows, columns]: readonly [rows: number, columns: number]): Picture {
  const [{ height, width }] = tiles as [Picture];
  const all = blank(rows * height, columns * width);
  for (const [i, tile] of tiles.entries()) {
    place(all, tile, [Math.floor(i / columns) * height, (i % columns) * width]);
  }
  return all;
}

/** Five dots a row, seven rows, a hexadecimal number for each. */
const letters: Readonly<Record<string, string>> = {
  ...{ '0': '0e 11 13 15 19 11 0e', '1': '04 0c 04 04 04 04 0e', '2': '0e 11 01 02 04 08 1f' },
  ...{ '3': '1f 02 04 02 01 11 0e', '4': '02 06 0a 12 1f 02 02', '5': '1f 10 1e 01 01 11 0e' },
  ...{ '6': '06 08 10 1e 11 11 0e', '7': '1f 01 02 04 08 08 08', '8': '0e 11 11 0e 11 11 0e' },
  ...{ '9': '0e 11 11 0f 01 02 0c', '.': '00 00 00 00 00 0c 0c', '-': '00 00 00 1f 00 00 00' },
  ...{ '+': '00 04 04 1f 04 04 00', e: '00 00 0e 11 1f 10 0e' },
};
const [letterWidth, letterHeight] = [6, 7];

/** Writes a number; what does not fit in is left out. */
function write(into: Picture, text: string, at: readonly [top: number, left: number], value = 0): void {
  for (const [i, letter] of text.split('').entries()) {
    const rows = (letters[letter] ?? '').split(' ').map((row) => Number.parseInt(row, 16));
    for (const [y, dots] of rows.entries()) {
      for (let x = 0; x < 5; x++) {
        const [row, column] = [at[0] + y, at[1] + i * letterWidth + x];
        if (((dots >> (4 - x)) & 1) === 0 || row >= into.height || column >= into.width) continue;
        into.data.fill(value, 3 * (row * into.width + column), 3 * (row * into.width + column) + 3);
      }
    }
  }
}

/** The number of a channel in the corner of its tile, on black, where there is room for it. */
export function numbered(tile: Picture, channel: number): Picture {
  const text = String(channel);
  const [height, width] = [letterHeight + 4, text.length * letterWidth + 3];
  if (tile.height < 3 * height || tile.width < 2 * width) return tile;
  const all = { ...tile, data: Uint8Array.from(tile.data) };
  place(all, blank(height, width, 0), [0, 0]);
  write(all, text, [2, 2], 255);
  return all;
}

/** A number in at most three digits. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));

/** The lowest picture that has a bar beside it: two numbers are to fit, one above the other. */
const leastHeight = 3 * letterHeight;

/** The picture with the scale of colors at its right, the highest value above; as it is where it is too low for two numbers. */
export function withScaleBar(picture: Picture, [low, high]: Range): Picture {
  if (picture.height < leastHeight) return picture;
  const { height, width } = picture;
  const [gap, bar] = [6, 10];
  const texts = [shortNumber(high), shortNumber(low)] as const;
  const wide = Math.max(...texts.map(({ length }) => length)) * letterWidth;
  const all = blank(height, width + gap + bar + 3 + wide + 2);
  place(all, picture, [0, 0]);
  const scale = Float32Array.from(
    { length: height * bar },
    (_, i) => 1 - Math.floor(i / bar) / Math.max(1, height - 1),
  );
  place(all, colored(scale, [height, bar]), [0, width + gap]);
  write(all, texts[0], [0, width + gap + bar + 3]);
  write(all, texts[1], [height - letterHeight, width + gap + bar + 3]);
  return all;
}
