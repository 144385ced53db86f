// Walks over JSON bytes from an untrusted file, strictly (RFC 8259) and pulled by the caller, who says what it expects next.
// Unlike `JSON.parse` it refuses duplicate keys, tells where it failed and builds nothing that nobody asked for. Linear in time.

import { isUtf8 } from 'node:buffer';

import { type Fail, type FormatError, type FormatErrorCode, quote } from './format-error.ts';

const maxDepth = 64;
const quoteSign = 0x22;
const backslash = 0x5c;
const zero = 0x30;
/** The characters of numbers and of `true`, `false`, `null`, wrong ones included. */
const wordCharacter = /[\w.+-]/;

export class JsonCursor {
  readonly #bytes: Buffer;
  readonly #makeError: Fail;
  readonly #base: number;
  #at = 0;
  #depth = 0;

  /** `base` is where in the file the bytes start, for the offsets in errors. */
  constructor(bytes: Uint8Array, { fail, base }: { fail: Fail; base: number }) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#makeError = fail;
    this.#base = base;
    if (!isUtf8(bytes)) throw this.#fail('utf8', 'the text is not valid UTF-8', 0);
  }

  /** An object; `onEntry` is called before each value and must consume it. `code` is for a value that is not an object. */
  object(onEntry: (key: string) => void, code: FormatErrorCode = 'syntax'): void {
    this.#expect('{', 'an object', code);
    const keys = new Set<string>();
    this.#sequence('}', () => {
      const offset = this.#skipSpace();
      const key = this.string();
      if (keys.has(key)) throw this.#fail('duplicate-key', `the key ${quote(key)} occurs twice`, offset);
      keys.add(key);
      this.#expect(':', '":"');
      onEntry(key);
    });
  }

  /** An array; `onItem` is called before each value and must consume it. */
  array(onItem: () => void, code: FormatErrorCode = 'syntax'): void {
    this.#expect('[', 'an array', code);
    this.#sequence(']', onItem);
  }

  string(code: FormatErrorCode = 'syntax'): string {
    this.#expect('"', 'a string', code);
    const start = this.#at;
    let escaped = false;
    for (let byte = this.#bytes[this.#at]; byte !== quoteSign; byte = this.#bytes[this.#at]) {
      if (byte === undefined) throw this.#fail('syntax', 'a string does not end', start - 1);
      if (byte < 0x20) throw this.#fail('syntax', 'a control character in a string', this.#at);
      if (byte === backslash) escaped = true;
      this.#at += byte === backslash ? 2 : 1;
    }
    this.#at++;
    return escaped ? this.#unescape(start - 1) : this.#bytes.toString('utf8', start, this.#at - 1);
  }

  /** An integer from 0 to 2^53 - 1, written with digits only: neither sign nor fraction nor exponent. */
  integer(code: FormatErrorCode = 'syntax'): number {
    const start = this.#skipSpace();
    let value = 0;
    for (let byte = this.#bytes[this.#at]; isDigit(byte); byte = this.#bytes[this.#at]) {
      value = value * 10 + (byte - zero);
      if (value > Number.MAX_SAFE_INTEGER) throw this.#fail('overflow', 'a number above 2^53 - 1', start);
      this.#at++;
    }
    const leadingZero = this.#at > start + 1 && this.#bytes[start] === zero;
    if (this.#at === start || leadingZero || wordCharacter.test(this.#peek())) {
      throw this.#fail(code, `expected an integer of 0 or more, got ${this.#excerpt(start)}`, start);
    }
    return value;
  }

  /** Any value, thrown away. */
  skip(): void {
    const start = this.#skipSpace();
    const next = this.#peek();
    if (next === '{') return this.object(() => this.skip());
    if (next === '[') return this.array(() => this.skip());
    if (next === '"') return void this.string();
    while (wordCharacter.test(this.#peek())) this.#at++;
    const token = this.#bytes.toString('latin1', start, this.#at);
    if (!/^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(token)) {
      throw this.#fail('syntax', `expected a value, got ${this.#excerpt(start)}`, start);
    }
  }

  /** The end of the bytes; white space may come before it. */
  end(): void {
    if (this.#skipSpace() < this.#bytes.length) {
      throw this.#fail('syntax', `expected the end, got ${this.#excerpt(this.#at)}`, this.#at);
    }
  }

  /** Where in the file the next token starts. */
  get offset(): number {
    return this.#base + this.#skipSpace();
  }

  #sequence(close: ']' | '}', element: () => void): void {
    if (++this.#depth > maxDepth) throw this.#fail('syntax', `nested more than ${maxDepth} deep`, this.#at);
    this.#skipSpace();
    if (this.#peek() === close) {
      this.#at++;
    } else {
      for (let more = true; more;) {
        element();
        this.#skipSpace();
        more = this.#peek() === ',';
        if (more) this.#at++;
      }
      this.#expect(close, `"," or "${close}"`);
    }
    this.#depth--;
  }

  #expect(char: string, what: string, code: FormatErrorCode = 'syntax'): void {
    const start = this.#skipSpace();
    if (this.#peek() !== char) throw this.#fail(code, `expected ${what}, got ${this.#excerpt(start)}`, start);
    this.#at++;
  }

  #unescape(start: number): string {
    let text: string;
    try {
      text = JSON.parse(this.#bytes.toString('utf8', start, this.#at)) as string;
    } catch {
      throw this.#fail('syntax', 'a string with a bad escape', start);
    }
    if (/\p{Surrogate}/u.test(text)) throw this.#fail('utf8', 'a string with half of a surrogate pair', start);
    return text;
  }

  #skipSpace(): number {
    let byte = this.#bytes[this.#at];
    while (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) byte = this.#bytes[++this.#at];
    return this.#at;
  }

  #peek(): string {
    const byte = this.#bytes[this.#at];
    return byte === undefined ? '' : String.fromCharCode(byte);
  }

  #fail(code: FormatErrorCode, problem: string, offset: number): FormatError {
    return this.#makeError(code, problem, { byteOffset: this.#base + offset });
  }

  #excerpt(start: number): string {
    if (start >= this.#bytes.length) return 'the end';
    const text = this.#bytes.toString('utf8', start, start + 20);
    return JSON.stringify(start + 20 < this.#bytes.length ? `${text}...` : text);
  }
}

function isDigit(byte: number | undefined): byte is number {
  return byte !== undefined && byte >= zero && byte <= zero + 9;
}
