// The schema of a sweep, but for its axes and patches: those are checked as parts of the cells' configs.
import { z } from 'zod';

import { count } from '../../registry/index.ts';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const selection = z.record(z.string(), z.union([scalar, z.array(scalar).readonly()]));
const object = z.record(z.string(), z.unknown());
const config = z.union([z.string(), object]);
const places = z.union([z.string(), z.array(z.string()).min(1).readonly()]);
const seed = z.number().int().nonnegative();

const limited = { only: selection.exactOptional(), except: selection.exactOptional() };
const axis = z.union([
  z.array(scalar).readonly(),
  z.strictObject({
    at: places.exactOptional(),
    values: z.union([z.array(scalar).readonly(), object]),
    ...limited,
  }),
  z.strictObject({ options: z.record(z.string(), z.union([z.string(), object, z.array(object)])), ...limited }),
  z
    .record(z.string(), z.union([z.string(), object, z.array(object)]))
    .refine((value) => !('values' in value) && !('options' in value)),
]);
const teacher = { at: places.exactOptional(), ...limited };

/** A teacher with what stands beside its config, and no config itself. */
const isTeacher = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'config');

/** The schema of a sweep. */
export const sweepSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[\w-][\w.-]*$/, 'expected letters, digits, _ . and -')
    .exactOptional(),
  base: config.exactOptional(),
  patch: object.exactOptional(),
  teacher: z
    .union([z.string(), z.strictObject({ config, ...teacher }), object.refine((value) => !isTeacher(value))])
    .exactOptional(),
  teachers: z.record(z.string().regex(/^[\w-]+$/), z.strictObject({ config, ...teacher })).exactOptional(),
  axes: z.record(z.string(), axis),
  except: z.array(selection).readonly().exactOptional(),
  baseline: z.record(z.string(), scalar).exactOptional(),
  metric: z.string().min(1).default('student.accuracy'),
  order: z.array(z.string()).readonly().exactOptional(),
  cache: z.union([z.boolean(), z.strictObject({ views: count.exactOptional(), ...limited })]).default(false),
  validation: z.strictObject({ share: z.number().gt(0).lt(1).default(0.1), seed: seed.default(0) }).exactOptional(),
  halving: z
    .strictObject({
      over: z.array(z.string()).min(1).readonly().exactOptional(),
      eta: z.number().int().min(2).default(3),
      minEpochs: count.default(1),
      maxEpochs: count.exactOptional(),
      seeds: z.array(seed).min(1).readonly().exactOptional(),
    })
    .exactOptional(),
});

/** A sweep with defaults filled in. */
export type CheckedSweep = z.output<typeof sweepSchema>;
