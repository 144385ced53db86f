// Python's pickles, protocols 0 to 5, as inert data: a machine of a stack and a memo that builds lists, dicts, numbers and texts, and asks
// its `PickleWorld` what a global name means. There is no way to code: a name is looked up in a list, or kept as a name.
// Format: the opcodes as `pickletools` of CPython describes them.
//
// A pickle MUST have: known opcodes alone; arguments within the bytes; an item on the stack for whoever takes one;
// memo numbers that were put before; an end. Limits, against pickles that are bombs: open marks, integers of 64 Ki bits, and `budget`, which
// every container takes from. Values that are referred to several times are shared, never copied.

import type { Fail } from './format-error.ts';
import { quote } from './format-error.ts';

/** What a pickle is made of. Tuples are lists here, dicts are maps; floats and integers are numbers, integers beyond 2^53 bigints. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | object
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>;

/** The name of a class or function, which is nothing but a name. */
export class PickleGlobal {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }

  toString(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An object of a Python class, as inert data: what it was made of, and its state. */
export class PickleObject {
  /** Such as `argparse.Namespace`. */
  readonly class: string;
  /** What the class was called with. */
  readonly args: PickleValue;
  /** What stands in its attributes: a map as a rule. */
  state: PickleValue = null;
  /** The items of a class that extends a list, a set or a dict. */
  items: PickleValue[] | Map<PickleValue, PickleValue> | undefined;

  constructor(name: string, args: PickleValue) {
    this.class = name;
    this.args = args;
  }
}

/** What names and persistent ids mean. */
export interface PickleWorld {
  /** The value of a global name, a {@link PickleGlobal} as a rule. */
  global(module: string, name: string): PickleValue;
  /** What calling a global gives. */
  call(callee: PickleGlobal, args: PickleValue[]): PickleValue;
  /** Gives an object its state; false where it takes none. */
  build(object: PickleValue, state: PickleValue): boolean;
  /** What stands outside of the pickle under this id. */
  persistent(id: PickleValue): PickleValue;
}

/** Counts what is built: a unit is about 64 bytes of memory. */
export class PickleBudget {
  #left: number;
  readonly #fail: Fail;

  constructor(units: number, fail: Fail) {
    this.#left = units;
    this.#fail = fail;
  }

  take(units: number): void {
    this.#left -= units;
    if (this.#left >= 0) return;
    throw this.#fail('too-large', 'it holds more objects than are read (some millions)', {
      help: 'keep the state dict alone: torch.save(model.state_dict(), path)',
    });
  }
}

/** As deep as Python itself gets when it writes. */
const mostMarks = 2000;
const mostIntegerBytes = 8192;
const mostDigits = 5000;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One pickle at a position of some bytes. */
export class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #world: PickleWorld;
  readonly #budget: PickleBudget;
  readonly #fail: Fail;
  readonly #memo = new Map<number, PickleValue>();
  readonly #marks: number[] = [];
  #stack: PickleValue[] = [];
  /** Where the next opcode or argument stands; after {@link read}, behind the pickle. */
  position: number;

  constructor(bytes: Uint8Array, position: number, options: { world: PickleWorld; budget: PickleBudget; fail: Fail }) {
    // No subclass of it: what is cut out of it becomes a part of the value.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
    this.#world = options.world;
    this.#budget = options.budget;
    this.#fail = options.fail;
  }

  /** The value of the pickle. @throws FormatError where it is damaged. */
  read(): PickleValue {
    for (;;) {
      const at = this.position;
      const opcode = this.#u8();
      if (opcode === 0x2e /* . STOP */) return this.#pop();
      if (!this.#step(opcode)) {
        throw this.#fail('pickle', `there is no opcode ${opcode}`, { byteOffset: at });
      }
    }
  }

  #wrong(problem: string): Error {
    return this.#fail('pickle', problem, { byteOffset: this.position });
  }

  // ---- bytes

  /** Passes over bytes; returns where they start. */
  #skip(length: number): number {
    const start = this.position;
    if (!(length >= 0 && length <= this.#bytes.length - start)) {
      throw this.#fail('truncated', 'the pickle ends too early', { byteOffset: start });
    }
    this.position = start + length;
    return start;
  }

  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #u8(): number {
    return this.#bytes[this.#skip(1)]!;
  }

  #u16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  #u32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  #i32(): number {
    return this.#u32() | 0;
  }

  #u64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  #f64(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** Up to the next newline, which is taken too. */
  #line(): Uint8Array {
    const end = this.#bytes.indexOf(0x0a, this.position);
    const line = this.#take((end < 0 ? this.#bytes.length + 1 : end) - this.position);
    this.position++;
    return line;
  }

  #asciiLine(): string {
    return Buffer.from(this.#line()).toString('latin1');
  }

  #text(bytes: Uint8Array): string {
    const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    if (!/[^\0-\x7f]/.test(plain)) return plain;
    try {
      return utf8.decode(bytes);
    } catch {
      // Python writes halves of surrogate pairs as they are ("surrogatepass"); what was text of Python 2 may be anything.
      return plain;
    }
  }

  /** Python 2 had one type for texts and bytes: what is not ASCII stays bytes. */
  #oldText(bytes: Uint8Array): PickleValue {
    return bytes.some((byte) => byte > 127) ? bytes : Buffer.from(bytes).toString('latin1');
  }

  #integerLine(): PickleValue {
    const text = this.#asciiLine().replace(/L$/, '');
    if (!/^[+-]?\d+$/.test(text) || text.length > mostDigits) throw this.#wrong(`${quote(text)} is no integer`);
    return narrowed(BigInt(text));
  }

  #longInteger(length: number): PickleValue {
    if (length > mostIntegerBytes) throw this.#wrong(`an integer of ${length} bytes`);
    const bytes = this.#take(length);
    if (length === 0) return 0;
    const value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
    return narrowed(BigInt.asIntN(length * 8, value));
  }

  // ---- stack

  #push(value: PickleValue): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#wrong('an item is missing on the stack');
    return this.#stack.pop()!;
  }

  #top(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#wrong('an item is missing on the stack');
    return this.#stack.at(-1)!;
  }

  #mark(): true {
    if (this.#marks.length >= mostMarks) throw this.#fail('too-large', `it is nested deeper than ${mostMarks} levels`);
    this.#marks.push(this.#stack.length);
    return true;
  }

  /** What stands above the last mark, which goes with it. */
  #sinceMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#wrong('a mark is missing on the stack');
    return this.#stack.splice(mark);
  }

  #list(items: PickleValue[]): true {
    this.#budget.take(1);
    return this.#push(items);
  }

  #tuple(length: number): true {
    const items: PickleValue[] = [];
    for (let i = 0; i < length; i++) items.push(this.#pop());
    return this.#list(items.reverse());
  }

  #map(): Map<PickleValue, PickleValue> {
    this.#budget.take(4);
    return new Map();
  }

  #set(items: PickleValue[]): true {
    this.#budget.take(4);
    return this.#push(new Set(items));
  }

  #append(target: PickleValue, items: readonly PickleValue[]): true {
    const list = target instanceof PickleObject ? (target.items ??= []) : target;
    if (list instanceof Set) for (const item of items) list.add(item);
    else if (Array.isArray(list)) for (const item of items) list.push(item);
    else throw this.#wrong('items are appended to what is no list');
    return true;
  }

  #setItems(target: PickleValue, items: readonly PickleValue[]): true {
    const map = target instanceof PickleObject ? (target.items ??= this.#map()) : target;
    if (!(map instanceof Map) || items.length % 2 !== 0) throw this.#wrong('items are set in what is no dict');
    for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
    return true;
  }

  #call(callee: PickleValue, args: PickleValue): true {
    if (!Array.isArray(args)) throw this.#wrong('arguments that are no tuple');
    if (callee instanceof PickleGlobal) return this.#push(this.#world.call(callee, args));
    throw this.#wrong('something is called that is no class and no function');
  }

  #build(): true {
    const state = this.#pop();
    if (!this.#world.build(this.#top(), state)) throw this.#wrong('a state is given to what takes none');
    return true;
  }

  #global(module: PickleValue, name: PickleValue): true {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.#wrong('a global whose name is no text');
    return this.#push(this.#world.global(module, name));
  }

  #get(key: number): true {
    const value = this.#memo.get(key);
    if (value === undefined) throw this.#wrong(`there is nothing in the memo under ${key}`);
    return this.#push(value);
  }

  #put(key: number): true {
    this.#memo.set(key, this.#top());
    return true;
  }

  /** The number of a memo, written as a text. */
  #key(): number {
    const text = this.#asciiLine();
    if (!/^\d{1,10}$/.test(text)) throw this.#wrong(`${quote(text)} is no number of the memo`);
    return Number(text);
  }

  /** Does what an opcode says; false for one that there is not. */
  #step(opcode: number): boolean {
    switch (opcode) {
      case 0x80: {
        // PROTO
        const version = this.#u8();
        if (version > 5) throw this.#fail('version', `protocol ${version} is unknown; 0 to 5 are known`);
        return true;
      }
      case 0x95: // FRAME: how much belongs together; what is read as a whole need not know
        this.#u64();
        return true;
      case 0x28: // ( MARK
        return this.#mark();
      case 0x30: // 0 POP
        if (this.#stack.length === (this.#marks.at(-1) ?? -1)) this.#marks.pop();
        else this.#pop();
        return true;
      case 0x31: // 1 POP_MARK
        this.#sinceMark();
        return true;
      case 0x32: // 2 DUP
        return this.#push(this.#top());

      case 0x4e: // N NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x49: {
        // I INT, or a bool
        const next = this.#bytes.subarray(this.position, this.position + 3);
        if (next[0] === 0x30 && next[2] === 0x0a && (next[1] === 0x30 || next[1] === 0x31)) {
          this.position += 3;
          return this.#push(next[1] === 0x31);
        }
        return this.#push(this.#integerLine());
      }
      case 0x4c: // L LONG
        return this.#push(this.#integerLine());
      case 0x4a: // J BININT
        return this.#push(this.#i32());
      case 0x4b: // K BININT1
        return this.#push(this.#u8());
      case 0x4d: // M BININT2
        return this.#push(this.#u16());
      case 0x8a: // LONG1
        return this.#push(this.#longInteger(this.#u8()));
      case 0x8b: // LONG4
        return this.#push(this.#longInteger(this.#u32()));
      case 0x46: {
        // F FLOAT
        const text = this.#asciiLine();
        const value = ({ inf: Infinity, '-inf': -Infinity, nan: NaN } as Record<string, number>)[text];
        if (value === undefined && !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) {
          throw this.#wrong(`${quote(text)} is no number`);
        }
        return this.#push(value ?? Number(text));
      }
      case 0x47: // G BINFLOAT
        return this.#push(this.#f64());

      case 0x53: // S STRING, as Python 2 shows it
        return this.#push(this.#unquoted(this.#asciiLine()));
      case 0x54: // T BINSTRING
        return this.#push(this.#oldText(this.#take(this.#i32())));
      case 0x55: // U SHORT_BINSTRING
        return this.#push(this.#oldText(this.#take(this.#u8())));
      case 0x56: // V UNICODE
        return this.#push(this.#unicode(this.#asciiLine()));
      case 0x58: // X BINUNICODE
        return this.#push(this.#text(this.#take(this.#u32())));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#take(this.#u8())));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#text(this.#take(this.#u64())));
      case 0x42: // B BINBYTES
        return this.#push(this.#take(this.#u32()));
      case 0x43: // C SHORT_BINBYTES
        return this.#push(this.#take(this.#u8()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#take(this.#u64()));

      case 0x5d: // ] EMPTY_LIST
      case 0x29: // ) EMPTY_TUPLE
        return this.#list([]);
      case 0x6c: // l LIST
      case 0x74: // t TUPLE
        return this.#list(this.#sinceMark());
      case 0x85: // TUPLE1
        return this.#tuple(1);
      case 0x86: // TUPLE2
        return this.#tuple(2);
      case 0x87: // TUPLE3
        return this.#tuple(3);
      case 0x61: {
        // a APPEND
        const item = this.#pop();
        return this.#append(this.#top(), [item]);
      }
      case 0x65: // e APPENDS
      case 0x90: {
        // ADDITEMS
        const items = this.#sinceMark();
        return this.#append(this.#top(), items);
      }
      case 0x7d: // } EMPTY_DICT
        return this.#push(this.#map());
      case 0x64: {
        // d DICT
        const items = this.#sinceMark();
        const map = this.#map();
        this.#setItems(map, items);
        return this.#push(map);
      }
      case 0x73: {
        // s SETITEM
        const value = this.#pop();
        const key = this.#pop();
        return this.#setItems(this.#top(), [key, value]);
      }
      case 0x75: {
        // u SETITEMS
        const items = this.#sinceMark();
        return this.#setItems(this.#top(), items);
      }
      case 0x8f: // EMPTY_SET
        return this.#set([]);
      case 0x91: // FROZENSET
        return this.#set(this.#sinceMark());

      case 0x67: // g GET
        return this.#get(this.#key());
      case 0x68: // h BINGET
        return this.#get(this.#u8());
      case 0x6a: // j LONG_BINGET
        return this.#get(this.#u32());
      case 0x70: // p PUT
        return this.#put(this.#key());
      case 0x71: // q BINPUT
        return this.#put(this.#u8());
      case 0x72: // r LONG_BINPUT
        return this.#put(this.#u32());
      case 0x94: // MEMOIZE
        return this.#put(this.#memo.size);

      case 0x63: {
        // c GLOBAL
        const module = this.#text(this.#line());
        return this.#global(module, this.#text(this.#line()));
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        return this.#global(this.#pop(), name);
      }
      case 0x52: {
        // R REDUCE
        const args = this.#pop();
        return this.#call(this.#pop(), args);
      }
      case 0x81: {
        // NEWOBJ
        const args = this.#pop();
        return this.#call(this.#pop(), args);
      }
      case 0x92: {
        // NEWOBJ_EX: arguments by name go behind the others
        const named = this.#pop();
        const args = this.#pop();
        const all = Array.isArray(args) && named instanceof Map && named.size > 0 ? [args, named] : args;
        return this.#call(this.#pop(), all);
      }
      case 0x69: {
        // i INST
        const module = this.#text(this.#line());
        this.#global(module, this.#text(this.#line()));
        const callee = this.#stack.pop()!;
        return this.#call(callee, this.#sinceMark());
      }
      case 0x6f: {
        // o OBJ
        const [callee, ...args] = this.#sinceMark();
        return this.#call(callee ?? null, args);
      }
      case 0x62: // b BUILD
        return this.#build();
      case 0x50: // P PERSID
        return this.#push(this.#world.persistent(this.#asciiLine()));
      case 0x51: // Q BINPERSID
        return this.#push(this.#world.persistent(this.#pop()));
      case 0x82: // EXT1, EXT2, EXT4: numbers of a table that every program has its own of
      case 0x83:
      case 0x84:
        throw this.#wrong('it uses the table of extensions of a program');
      case 0x97: // NEXT_BUFFER, READONLY_BUFFER
      case 0x98:
        throw this.#wrong('it refers to buffers outside of the pickle');
      default:
        return false;
    }
  }

  /** As Python's `raw-unicode-escape` writes it. */
  #unicode(text: string): string {
    return text.replaceAll(/\\u([\dA-Fa-f]{4})|\\U([\dA-Fa-f]{8})/g, (whole, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long ?? '', 16);
      return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
    });
  }

  #unquoted(text: string): string {
    const quoted = /^(['"])(.*)\1$/s.exec(text.trim());
    if (quoted === null) throw this.#wrong('a text without its quotes');
    return quoted[2]!.replaceAll(/\\(?:x([\da-f]{2})|(.))/gis, (_, hex: string | undefined, letter: string) =>
      hex === undefined ? (letters[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
}

const letters: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
