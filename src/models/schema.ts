// Pieces of the schemas of networks' options.
import { z } from 'zod';

import { activationSchema, convSchema, initSchema, normSchema } from '../nn/index.ts';
import { count, pair as pairOf } from '../registry/index.ts';

export { count };
export const flag = z.boolean();
export const index = z.number().int();
/** Lists of integers; an array or a tuple, constant or not. */
export const counts = z.array(count).readonly();
export const indices = z.array(index).readonly();
/** A size of both axes, or `[height, width]`. */
export const pair = pairOf(1);
/** A probability. */
export const rate = z.number().min(0).max(1);

export const convCfg = convSchema.nullable();
export const normCfg = normSchema;
export const actCfg = activationSchema;
export const initCfg = initSchema;
