// What holds for every loss; each loss's test runs it with arguments of its own.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { expectSameCheck } from '../../../test/options.ts';
import { onOtherDevice } from '../../../test/other-device.ts';
import type { Checked } from '../../../test/options.ts';
import { enableGrad, grad, manualSeed, noGrad, Tensor, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import * as all from './index.ts';
import { buildLoss, losses } from './index.ts';
import type { DistillLoss } from './index.ts';

type Args = Record<string, unknown>;

export interface LossContract {
  /** Options besides the type; `reduction: 'none'` is not among them. */
  options?: Readonly<Record<string, unknown>>;
  /** Fresh arguments of a dtype, small (gradients are checked number by number); leaves that may require gradients. */
  args: (dtype: DType) => Args;
  /** The arguments that gradients must reach, such as `['predsS']`. */
  trains: readonly string[];
  /** The arguments that no gradient may reach. Default none. */
  constant?: readonly string[];
  /** Pairs of arguments that must have one shape: a mismatch is refused by name. Default none. */
  sameShape?: readonly (readonly [string, string])[];
  /** Arguments that may be multiplied by 1e4, or be constant, without NaN or Inf. Default: those of `trains`. */
  extreme?: readonly string[];
  /** Options under which the contract's gradient check holds. Default: `options`. */
  smooth?: Readonly<Record<string, unknown>>;
  /** Brings a loss with a state of its own where calling it changes nothing, for the gradient check. Default: nothing to do. */
  prepare?: (loss: DistillLoss, args: Args) => void;
  /** The arguments some of whose tensors no gradient reaches, such as a teacher's in a list. Default none. */
  withoutGradient?: readonly string[];
  /** The gradient is that of the value; false where parts of the value are constants on purpose. Default true. */
  differentiable?: boolean;
  /** bfloat16 arguments are taken. Default true. */
  bfloat16?: boolean;
  /**
   * Arguments in which -Infinity (a class that is ruled out) is finite in value and gradient; `'all'` when it is in all of them.
   * Default none: it may be an error then.
   */
  minusInfinity?: readonly string[];
  /** A batch of one is meaningful. Default true. */
  single?: boolean;
}

/** The loss as a function; its own parameters become float64 for float64 arguments, and otherwise stay what they are. */
const forwardOf = (loss: DistillLoss) => (args: Args) => {
  const float64 = Object.values(args).some((value) => tensorsOf(value).some((one) => one.dtype === 'float64'));
  if (float64) loss.to({ dtype: 'float64' });
  return (loss.forward as (args: Args) => Tensor)(args);
};

function map(args: Args, names: readonly string[] | undefined, change: (value: Tensor) => Tensor): Args {
  const apply = (value: unknown): unknown => {
    if (value instanceof Tensor) return change(value);
    return Array.isArray(value) ? value.map(apply) : value;
  };
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name, names?.includes(name) === false ? value : apply(value)]),
  );
}

function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  return Array.isArray(value) ? value.flatMap(tensorsOf) : [];
}

function finite(output: Tensor, inputs: readonly Tensor[]): boolean {
  const gradients = output.requiresGrad ? grad([output.sum()], inputs, { allowUnused: true }) : [];
  const all = [output, ...gradients.filter((one) => one !== null)];
  return all.every((one) => one.to('float64').isfinite().all().item() === 1);
}

/** The logits among a loss's arguments, which have the shape of the first that trains, and the axis of their classes. */
function logitsIn(
  loss: DistillLoss,
  given: Args,
  trains: readonly string[],
): { shape: readonly number[]; isLogits: (one: Tensor) => boolean; dim: number } {
  const { shape } = tensorsOf(given[trains[0]!])[0]!;
  const inner = (loss as { loss?: DistillLoss }).loss ?? loss;
  const { dim = 1 } = inner.options as { dim?: number };
  return {
    shape,
    isLogits: (one) => one.shape.join() === shape.join(),
    dim: dim < 0 ? dim + shape.length : dim,
  };
}

/** -Infinity at the last place of the first sample; a value with no dimensions stays. */
function withMinusInfinity(value: Tensor): Tensor {
  if (value.ndim === 0 || !/float/.test(value.dtype)) return value;
  const places = tensor(new Float64Array(value.numel), { shape: value.shape }).to(value.dtype);
  const row = value.numel / value.shape[0]!;
  noGrad(
    () =>
      void places
        .view([-1])
        .narrow(0, row - 1, 1)
        .fill_(1),
  );
  return value.maskedFill(places.gt(0), -Infinity);
}

/** Runs the contract on a loss. */
export function describeLoss(name: string, contract: LossContract): void {
  const { options = {}, args, trains, constant = [], sameShape = [], extreme = trains, bfloat16 = true } = contract;
  const build = (more: object = {}): DistillLoss => buildLoss({ type: name, ...options, ...more });
  const fresh = (dtype: DType = 'float64'): Args =>
    map(args(dtype), [...trains, ...constant], (value) => value.detach().clone().requiresGrad_());

  it('contract: is registered, with a summary, a paper or a reason for none, and names its arguments', () => {
    const entry = losses.get(name);
    expect(entry.summary.length).toBeGreaterThan(10);
    const loss = build();
    expect(Object.keys(args('float64'))).toEqual(expect.arrayContaining([...loss.inputs.required]));
    expect(() => build({ lossWieght: 2 })).toThrow(refusal('unknown-option', name, 'lossWieght'));
    expect(() => build({ lossWeight: Number.NaN })).toThrow(refusal('invalid-argument', 'lossWeight'));
  });

  it('contract: options are checked alike in configs and in code', () => {
    const Class = new Map(Object.entries<unknown>(all)).get(name) as Checked['Class'];
    expect(Class).toBeDefined();
    if (name === 'StandardizedLogits') return; // whose inner loss is built by its entry
    expect(expectSameCheck(name, { entry: losses.get(name), Class, options })).toBeGreaterThan(0);
  });

  it('contract: a scalar of the dtype of its arguments, finite, with gradients where they belong', () => {
    for (const dtype of ['float64', 'float32'] as const) {
      tidy(() => {
        const given = fresh(dtype);
        const output = forwardOf(build())(given);
        expect(output.shape).toEqual([]);
        expect(output.dtype).toBe(dtype);
        expect(Number.isFinite(output.item())).toBe(true);
        for (const argument of trains) {
          const gradients = grad([output], tensorsOf(given[argument]), { allowUnused: true, retainGraph: true });
          expect(
            gradients.some((one) => one !== null),
            `a gradient reaches ${argument}`,
          ).toBe(true);
        }
        for (const argument of constant) {
          const gradients = grad([output], tensorsOf(given[argument]), { allowUnused: true, retainGraph: true });
          for (const one of gradients) {
            expect(one === null || one.abs().sum().item() === 0, `no gradient reaches ${argument}`).toBe(true);
          }
        }
      });
    }
  });

  it('contract: computes on the device of its arguments', () => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const loss = move(build());
        const given = map(move(args('float32')), [...trains, ...constant], (value) =>
          value.detach().clone().requiresGrad_(),
        );
        const output = (loss.forward as (args: Args) => Tensor)(given);
        output.backward();
        return [output, ...loss.buffers()];
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it.runIf(contract.differentiable !== false)('contract: gradients equal differences', () => {
    tidy(() => {
      const smooth = contract.smooth ?? options;
      const loss = buildLoss({ type: name, ...smooth });
      const given = fresh();
      contract.prepare?.(loss, given);
      const value = (): number => {
        manualSeed(1);
        return noGrad(() => tidy(() => forwardOf(loss)(given).item()));
      };
      for (const argument of trains) {
        for (const input of tensorsOf(given[argument])) {
          manualSeed(1);
          const output = enableGrad(() => forwardOf(loss)(given));
          const [gradient] = grad([output], [input], { allowUnused: true });
          if (gradient === null || gradient === undefined) {
            expect(contract.withoutGradient ?? [], `${argument}: no gradient reaches a tensor of it`).toContain(
              argument,
            );
            continue;
          }
          const expected = gradient.data();
          const flat = input.detach().view([-1]);
          const step = 1e-6;
          for (let i = 0; i < flat.numel; i++) {
            const nudge = (by: number): number => {
              noGrad(() => tidy(() => void flat.narrow(0, i, 1).add_(by)));
              return value();
            };
            const [above, below] = [nudge(step), nudge(-2 * step)];
            nudge(step);
            const difference = (above - below) / (2 * step);
            const scale = Math.max(1e-3, Math.abs(Number(expected[i])));
            expect(Math.abs(difference - Number(expected[i])), `${argument}[${i}]`).toBeLessThan(1e-4 * scale + 1e-7);
          }
        }
      }
    });
  });

  it('contract: lossWeight is a factor', () => {
    tidy(() => {
      const values = [1, 2.5].map((lossWeight) => {
        manualSeed(1);
        return forwardOf(build({ lossWeight }))(args('float64')).item();
      });
      expect(values[1]!).toBeCloseTo(2.5 * values[0]!, 9);
    });
  });

  it('contract: no NaN and no Inf for extreme, constant and single inputs', () => {
    const changes: Record<string, (value: Tensor) => Tensor> = {
      'times 1e4': (value) => value.mul(1e4),
      zero: (value) => value.mul(0),
      constant: (value) => value.mul(0).add(3),
      equal: (value) => value,
    };
    for (const dtype of bfloat16 ? (['float32', 'bfloat16'] as const) : (['float32'] as const)) {
      for (const [label, change] of Object.entries(changes)) {
        tidy(() => {
          const changed = map(map(args(dtype), extreme, change), [...trains, ...constant], (value) =>
            value.detach().clone().requiresGrad_(),
          );
          const inputs = trains.flatMap((argument) => tensorsOf(changed[argument]));
          expect(finite(forwardOf(build())(changed), inputs), `${label}, ${dtype}`).toBe(true);
        });
      }
    }
    if (contract.single === false) return;
    tidy(() => {
      const one = map(args('float32'), undefined, (value) => (value.ndim === 0 ? value : value.narrow(0, 0, 1)));
      const cut = Object.fromEntries(
        Object.entries(one).map(([key, value]) => [
          key,
          Array.isArray(value) && !value.some((item) => item instanceof Tensor) ? value.slice(0, 1) : value,
        ]),
      );
      const single = map(cut, [...trains, ...constant], (value) => value.detach().clone().requiresGrad_());
      const inputs = trains.flatMap((argument) => tensorsOf(single[argument]));
      expect(finite(forwardOf(build())(single), inputs), 'a batch of one').toBe(true);
    });
  });

  it('contract: -Infinity in an argument, or in all, gives a finite loss and gradients, or an explanation that names the argument', () => {
    const floating = (given: Args): string[] =>
      Object.keys(given).filter((key) => tensorsOf(given[key]).some((one) => /float/.test(one.dtype)));
    for (const dtype of bfloat16 ? (['float32', 'bfloat16'] as const) : (['float32'] as const)) {
      const each = tidy(() => floating(args(dtype)));
      for (const ruledOut of [...each.map((one) => [one]), each]) {
        tidy(() => {
          const changed = map(map(args(dtype), ruledOut, withMinusInfinity), [...trains, ...constant], (value) =>
            value.detach().clone().requiresGrad_(),
          );
          const label = `${ruledOut.join(' and ')}, ${dtype}`;
          if (contract.minusInfinity?.includes(ruledOut.length === 1 ? ruledOut[0]! : 'all')) {
            const inputs = [...trains, ...constant].flatMap((argument) => tensorsOf(changed[argument]));
            expect(finite(forwardOf(build())(changed), inputs), label).toBe(true);
            return;
          }
          const named = `(${each.join('|')})`;
          const loss = build();
          let output: Tensor;
          try {
            output = forwardOf(loss)(changed);
          } catch (error) {
            expect(error, label).toEqual(refusal('invalid-argument', name));
            expect((error as Error).message, label).toMatch(new RegExp(`^\\w+: .*${named}`));
            return;
          }
          const inputs = trains.flatMap((argument) => tensorsOf(changed[argument]));
          if (finite(output.detach(), [])) expect(finite(output, inputs), label).toBe(true);
          else
            expect(loss.explainNonFinite(changed), label).toMatch(new RegExp(`^${named}(\\[\\d+\\])* is -Infinity at`));
        });
      }
    }
  });

  const { schema } = losses.get(name) as unknown as { schema: { shape: Readonly<Record<string, unknown>> } };
  const has = (option: string): boolean => option in schema.shape;

  it.runIf(has('dim'))('contract: dim moves the axis of the classes, and is refused where there is none', () => {
    tidy(() => {
      const given = args('float64');
      const { shape, isLogits, dim } = logitsIn(build(), given, trains);
      const value = (given: Args, more?: object): number => {
        manualSeed(1);
        return noGrad(() => forwardOf(build(more))(given)).item();
      };
      const expected = value(given);
      for (let axis = 0; axis < shape.length; axis++) {
        const moved = map(given, undefined, (one) => (isLogits(one) ? one.movedim(dim, axis) : one));
        for (const other of [axis, axis - shape.length]) {
          expect(value(moved, { dim: other }), `dim ${other}`).toBeCloseTo(expected, 10);
        }
      }
      for (const none of [shape.length, -shape.length - 1]) {
        expect(() => value(given, { dim: none })).toThrow(refusal('invalid-argument', 'dim: ', none));
      }
    });
  });

  const ofClasses = has('dim') || name === 'StandardizedLogits';
  const masked = ofClasses && buildLoss({ type: name, ...options }).inputs.optional?.includes('mask') === true;

  it.runIf(masked)('contract: positions that do not count change nothing, whatever stands there', () => {
    tidy(() => {
      const given = args('float64');
      const { shape, isLogits, dim } = logitsIn(build(), given, trains);
      const positions = shape.toSpliced(dim, 1);
      const isPosition = (one: Tensor): boolean => one.shape.join() === positions.join();
      const run = (given: Args, more?: object): { value: number; gradients: Tensor[] } => {
        manualSeed(1);
        const leaves = map(given, trains, (one) => one.detach().clone().requiresGrad_());
        const inputs = trains.flatMap((argument) => tensorsOf(leaves[argument]).filter(isLogits));
        const output = forwardOf(build(more))(leaves);
        return { value: output.item(), gradients: grad([output], inputs, { allowUnused: true }).map((one) => one!) };
      };
      const valueOf = (given: Args): number => {
        manualSeed(1);
        return forwardOf(build())(given).item();
      };
      const plain = run(given);
      for (const dtype of ['bool', 'int64', 'float32'] as const) {
        const mask = tensor(new Float32Array([1])).to(dtype);
        expect(run({ ...given, mask }).value, 'all ones').toBeCloseTo(plain.value, 12);
      }

      const count = positions.reduce((product, size) => product * size, 1);
      const ignored = tensor(
        Float64Array.from({ length: count }, (_, i) => Number(i % 3 === 1)),
        { shape: positions },
      );
      const mask = ignored.eq(0);
      const kept = run({ ...given, mask });
      expect(kept.value).not.toBe(plain.value);
      const padded = (wrong: number): Args =>
        map({ ...given, mask }, Object.keys(given), (one) => {
          if (isLogits(one)) return one.detach().maskedFill(ignored.gt(0).unsqueeze(dim), wrong);
          return one.dtype === 'int64' && isPosition(one) ? one.maskedFill(ignored.gt(0), 1000) : one;
        });
      const check = ({ value, gradients }: ReturnType<typeof run>, label: string): void => {
        expect(value, label).toBeCloseTo(kept.value, 12);
        gradients.forEach((one, i) => {
          expect(one, label).toBeAllClose(kept.gradients[i]!, { rtol: 1e-12, atol: 1e-14 });
          expect(one.mul(ignored.unsqueeze(dim)).abs().sum().item(), label).toBe(0);
        });
      };
      for (const wrong of [NaN, Infinity, -Infinity, 1e30]) check(run(padded(wrong)), `${wrong} where nothing counts`);
      if (has('ignoreIndex')) {
        const gtLabels = (given['gtLabels'] as Tensor).reshape(positions).maskedFill(ignored.gt(0), 255);
        const { mask: _, ...rest } = padded(NaN);
        check(run({ ...rest, gtLabels }, { ignoreIndex: 255 }), 'ignoreIndex');
      }

      // Samples that do not count at all might as well not be there.
      const n = positions[0]!;
      const fewer = map(given, undefined, (one) => (one.shape[0] === n ? one.narrow(0, 0, n - 1) : one));
      const last = tensor(
        Float64Array.from({ length: n }, (_, i) => Number(i < n - 1)),
        {
          shape: positions.map((_, i) => (i === 0 ? n : 1)),
        },
      );
      expect(run({ ...given, mask: last }).value, 'without the last sample').toBeCloseTo(valueOf(fewer), 10);

      const nothing = run({ ...padded(NaN), mask: tensor(new Float32Array([0])) });
      expect(nothing.value).toBe(0);
      for (const one of nothing.gradients) expect(one.abs().sum().item()).toBe(0);
      expect(() => run({ ...given, mask: tensor(new Float32Array(n + 1)) })).toThrow(
        refusal('invalid-argument', 'mask'),
      );
      expect(() => run({ ...given, mask: tensor(new Float32Array([2])) })).toThrow(
        refusal('invalid-argument', 'mask', 0, 1),
      );
    });
  });

  it.runIf(sameShape.length > 0)('contract: shapes that would broadcast are refused by name', () => {
    for (const [a, b] of sameShape) {
      tidy(() => {
        const given = args('float32');
        const other = tensorsOf(given[b])[0]!;
        const wrong = tensor(new Float32Array(other.shape.slice(1).reduce((p, size) => p * size, 1)), {
          shape: [1, ...other.shape.slice(1)],
        });
        const call = (): unknown => forwardOf(build())({ ...given, [b]: Array.isArray(given[b]) ? [wrong] : wrong });
        expect(call).toThrow(refusal('invalid-argument', name));
        expect(call).toThrow(new RegExp(`\\b(${a}|${b})\\b`));
      });
    }
  });

  it('contract: compat is taken, its state dict comes back, nothing is left in training mode by eval', () => {
    const loss = build({ compat: 'mmrazor' });
    tidy(() => loss.loadStateDict(loss.stateDict()));
    loss.eval();
    expect(loss.modules().every((module) => !module.training)).toBe(true);
  });
}
