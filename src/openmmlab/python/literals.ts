// What Python's numbers and strings mean, exactly: `1` is not `1.0`, `010` is a mistake.

/** How a literal cannot be read; the caller knows where it stands. */
export interface BadLiteral {
  readonly problem: string;
}

export type NumberLiteral = { readonly kind: 'int' | 'float'; readonly value: number };

const digits = String.raw`\d(?:_?\d)*`;
const exponent = `[eE][+-]?${digits}`;
const integer = /^(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|[1-9](?:_?\d)*|0(?:_?0)*)$/;
const decimal = new RegExp(String.raw`^(?:${digits}(?:\.(?:${digits})?)?|\.${digits})(?:${exponent})?$`);

/** The number that a token stands for. */
export function readNumber(token: string): NumberLiteral | BadLiteral {
  const plain = token.replaceAll('_', '');
  if (integer.test(token)) {
    const value = Number(plain);
    if (Number.isSafeInteger(value)) return { kind: 'int', value };
    return { problem: `the number ${shorten(token)} is beyond 2^53 - 1` };
  }
  if (decimal.test(token) && !/^\d+$/.test(plain)) return { kind: 'float', value: Number(plain) };
  if (/[jJ]$/.test(token)) return { problem: `a complex number: ${shorten(token)}` };
  return { problem: `${shorten(token)} is not a number` };
}

const simpleEscapes: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The text of a string without its quotes. An unknown escape stays as it is, as in Python. */
export function readString(body: string, raw: boolean): { readonly value: string } | BadLiteral {
  let problem: string | undefined;
  const replace = (whole: string, octal?: string, hex?: string, char?: string): string => {
    if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
    const simple = char === undefined ? undefined : simpleEscapes[char];
    if (simple !== undefined) return simple;
    const code = hex === undefined ? NaN : parseInt(hex.slice(1), 16);
    if (code <= 0x10ffff) return String.fromCodePoint(code);
    if (hex !== undefined || /[xuUN]/.test(char!)) problem ??= `the escape ${whole} cannot be read`;
    return whole;
  };
  const escape = /\\(?:([0-7]{1,3})|(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})|([^]))/g;
  const value = raw ? body : body.replace(escape, replace);
  if (problem === undefined && /\p{Surrogate}/u.test(value)) problem = 'half of a surrogate pair in a string';
  return problem === undefined ? { value } : { problem };
}

function shorten(token: string): string {
  return token.length > 40 ? `${token.slice(0, 37)}...` : token;
}
