// The text of a Python file, and where in it things are. Lines end with \n alone; there is no byte order mark.
import { errorAt } from '../../config/tree/index.ts';
import type { Origin } from '../../config/tree/index.ts';

/** Characters of one file; real configs have a few thousand. */
const maxText = 256 * 1024;
/** Characters of a line. */
const maxLine = 20_000;

export class Source {
  /** What errors and origins call the file. */
  readonly file: string;
  readonly text: string;
  readonly #starts: number[] = [0];
  /** The byte offsets (UTF-8) of the characters of the line last asked for, where they are not simply 0, 1, 2, ... */
  #bytes: { line: number; toChar: Map<number, number> } | undefined;

  /** @throws {RetortError} for NUL characters, more than 262,144 characters, lines of more than 20,000 characters. */
  constructor(text: string, file: string) {
    this.file = file;
    const whole = { file, line: 0, column: 0 };
    if (text.length > maxText) throw errorAt(whole, `${text.length} characters; at most ${maxText}`);
    this.text = text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
    for (let at = this.text.indexOf('\n'); at >= 0; at = this.text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
    this.#starts.forEach((start, i) => {
      const length = (this.#starts[i + 1] ?? this.text.length + 1) - start - 1;
      if (length > maxLine) throw errorAt(this.originAt(start), `a line of ${length} characters; at most ${maxLine}`);
    });
    const nul = this.text.indexOf('\0');
    if (nul >= 0) throw errorAt(this.originAt(nul), 'a NUL character: this is not text');
  }

  /** The place of a character. */
  originAt(offset: number): Origin {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.file, line: low + 1, column: offset - this.#starts[low]! + 1 };
  }

  /** The character at a line (from 1) and a byte of its UTF-8 text (from 0), as Python's own parser counts. */
  offsetOf(line: number, byte: number): number {
    const start = this.#starts[Math.min(line, this.#starts.length) - 1] ?? 0;
    if (this.#bytes?.line !== line) this.#bytes = { line, toChar: this.#wideCharacters(start) };
    const { toChar } = this.#bytes;
    return start + (toChar.size === 0 ? byte : (toChar.get(byte) ?? 0));
  }

  #wideCharacters(start: number): Map<number, number> {
    const end = this.text.indexOf('\n', start);
    const line = this.text.slice(start, end < 0 ? undefined : end);
    const toChar = new Map<number, number>();
    // oxlint-disable-next-line no-control-regex
    if (/^[\x00-\x7f]*$/.test(line)) return toChar;
    let byte = 0;
    let char = 0;
    for (const point of line) {
      toChar.set(byte, char);
      byte += Buffer.byteLength(point);
      char += point.length;
    }
    return toChar.set(byte, char);
  }
}
