// What holds for every part of a network, whatever its kind: models.contract.ts adds what is special to each.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { onOtherDevice } from '../../test/other-device.ts';
import { refusal } from '../../test/refusal.ts';
import { loadModule, saveModule } from '../nn/index.ts';
import type { Module } from '../nn/index.ts';
import type { Registry } from '../registry/index.ts';
import { backward, grad, manualSeed, memory, noGrad, ops, Tensor, tidy } from '../torch/index.ts';

export type Options = Readonly<Record<string, unknown>>;
export type Build = (options?: Options) => Module & { forward(input: never): unknown };

export interface Contract {
  /** Options besides the type; small, so that everything is fast. */
  options: Options;
  /** Parameters that no gradient reaches, and why: names that contain one of these. Default none. */
  untrained?: readonly string[];
}

interface ModuleContract extends Contract {
  registry: Registry<unknown, never>;
  build: Build;
  /** Something to differentiate, of inputs that `move` brings to another device. */
  run: (net: ReturnType<Build>, move?: <T>(inputs: T) => T) => unknown;
}

/** Runs what is common to all kinds. */
export function describeModule(
  type: string,
  { registry, options, build, run, untrained = [] }: Omit<ModuleContract, 'registry'> & { registry: unknown },
): void {
  const known = registry as Registry<unknown>;

  it('contract: is registered, and names wrong options with the nearest', () => {
    expect(known.get(type).summary.length).toBeGreaterThan(10);
    const [first] = Object.keys(options);
    if (first === undefined) expect(() => build({ wrong: 1 })).toThrow(refusal('unknown-option', 'wrong'));
    else expect(() => build({ [`${first}x`]: 1 })).toThrow(refusal('unknown-option', `"${first}x"`, `"${first}"`));
    expect(() => known.build({ type: `${type}x` })).toThrow(refusal('unknown-name', `"${type}x"`, type));
  });

  it('contract: gradients reach every parameter', () => {
    manualSeed(3);
    const net = build();
    // Norms and layers that start at zero hide what lies before them.
    noGrad(() => {
      for (const parameter of net.parameters()) if (parameter.abs().sum().item() === 0) parameter.normal_(0, 0.1);
    });
    if (net.parameters().length === 0) return;
    const trained = [...net.namedParameters()].filter(([name]) => !untrained.some((part) => name.includes(part)));
    tidy(() => {
      const total = tensorsOf(run(net)).map((output) => output.mul(output).sum());
      const gradients = grad(
        [total.reduce((sum, one) => sum.add(one))],
        trained.map(([, value]) => value),
        { allowUnused: true },
      );
      const missed = trained
        .filter((_, i) => !(Number(gradients[i]?.abs().sum().item() ?? 0) > 0))
        .map(([name]) => name);
      expect(missed).toEqual([]);
    });
  });

  it('contract: computes on the device of its input', () => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const net = move(build());
        const made = tensorsOf(run(net, move));
        const trained = made.filter((one) => one.requiresGrad).map((one) => one.mul(one).sum());
        if (trained.length > 0) backward([trained.reduce((sum, one) => sum.add(one))]);
        net.eval();
        return [made, noGrad(() => tensorsOf(run(net, move))), net.buffers()];
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('contract: a saved state comes back whole, by file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-models-'));
    try {
      const [from, to] = [build().eval(), build().eval()];
      saveModule(join(folder, 'net.safetensors'), from);
      loadModule(join(folder, 'net.safetensors'), to);
      noGrad(() =>
        tidy(() => {
          const [a, b] = [from, to].map((net) => {
            manualSeed(1);
            return tensorsOf(run(net)).map((output) => output.toArray());
          });
          expect(a).toEqual(b);
        }),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('contract: train and eval reach everything, and a forward leaves nothing behind', () => {
    const net = build();
    expect(net.modules().every((module) => module.training)).toBe(true);
    expect(
      net
        .eval()
        .modules()
        .every((module) => !module.training),
    ).toBe(true);
    const before = memory().tensors;
    noGrad(() => tidy(() => void run(net)));
    expect(memory().tensors).toBe(before);
  });
}

/** Leaves inputs where they are. */
export const stay = <T>(inputs: T): T => inputs;

export function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsOf);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tensorsOf) : [];
}

/** Images that are the same at each call. */
export function image(shape: readonly number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return ops.arange(count).mul(0.37).sin().view(shape);
}
