// Pieces of the schemas of networks' options.
import { z } from 'zod';

import { pathTo } from '../registry/index.ts';
import type { ActivationConfig, ConvConfig, NormConfig } from '../nn/index.ts';
import type { InitOption } from './initial-weights.ts';

export const flag = z.boolean();
export const count = z.number().int().positive();
export const index = z.number().int();
/** Lists of whole numbers; an array or a tuple, constant or not. */
export const counts = z.array(count).readonly();
export const indices = z.array(index).readonly();
/** A size of both axes, or `[height, width]`. */
export const pair = z.union([count, z.tuple([count, count]).readonly()]);
/** A probability. */
export const rate = z.number().min(0).max(1);

const isTyped = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';

/** `{ type, ...options }`, whose options are checked by what is built from it. */
const typed = <T>() => z.custom<T>(isTyped, 'expected { type, ...options }');

export const convCfg = typed<ConvConfig>().nullable();
export const normCfg = typed<NormConfig>();
export const actCfg = typed<ActivationConfig>();

/** One initialiser; what else it may say is checked when it is applied. */
const initializer = z.looseObject({ type: z.string(), checkpoint: pathTo('checkpoint').exactOptional() });
export const initCfg = z
  .union([initializer, z.array(initializer)], {
    error: 'expected { type, ...options } of an initialiser, a list of them, or null',
  })
  .nullable() as unknown as z.ZodType<InitOption, InitOption>;
