// What holds for every loss; each loss's test runs it with arguments of its own.
import { expect, it } from 'vitest';

import { expectSameCheck } from '../../../test/options.ts';
import type { Checked } from '../../../test/options.ts';
import { RetortError } from '../../errors.ts';
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
    expect(() => build({ lossWieght: 2 })).toThrow(/lossWieght/);
    expect(() => build({ lossWeight: Number.NaN })).toThrow(RetortError);
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
          if (gradient === null || gradient === undefined) continue;
          const expected = gradient.data();
          const flat = input.detach().view([-1]);
          const step = 1e-6;
          for (let i = 0; i < Math.min(flat.numel, 24); i++) {
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

  it('contract: -Infinity in an argument, or in all, is a number with finite gradients or an error that names it', () => {
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
          try {
            const inputs = trains.flatMap((argument) => tensorsOf(changed[argument]));
            expect(finite(forwardOf(build())(changed), inputs), label).toBe(true);
          } catch (error) {
            expect(error, label).toBeInstanceOf(RetortError);
            expect((error as Error).message, label).toMatch(new RegExp(`^\\w+: .*(${each.join('|')})`));
          }
        });
      }
    }
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
        expect(call).toThrow(RetortError);
        expect(call).toThrow(new RegExp(`${name}.*(${a}|${b})`));
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
