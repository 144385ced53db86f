// Where the functions and methods are that recorders and deliveries tap, as configs and programs say it.
import { z } from 'zod';

import { isObject } from '../check.ts';
import type { MethodReference } from '../intercept/taps.ts';
import { addressTo } from '../registry/index.ts';

/** The schema of AddressOptions, the options beside an address. */
export const addressOptions = {
  folder: z
    .string()
    .exactOptional()
    .describe('Where relative paths of modules begin, and packages are looked for. Default: the current folder.'),
  prefixes: z
    .record(z.string(), z.string())
    .exactOptional()
    .describe('For dotted names: what they begin with, and the file or folder that stands for it.'),
};

/** A function, or its address. */
export const functionSource = addressTo<(...args: never[]) => unknown>('function', {
  others: (value) => typeof value === 'function',
  expected: "expected an address such as 'src/ops.ts#attention', or a function",
}).describe("An address such as 'src/ops.ts#attention', or the function itself.");

/** A method, or its address. */
export const methodSource = addressTo<MethodReference>('method', {
  others: (value) => isObject(value) && 'class' in value && 'method' in value,
  expected: "expected an address such as 'src/head.ts#Head.getTargets', or { class, method }",
}).describe("An address such as 'src/head.ts#Head.getTargets', or { class, method }.");
