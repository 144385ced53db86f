// Several threads of one process: each has tensors, scopes, hooks, modes and random numbers of its own. The threads use the build
// in dist/.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { describe, expect, it } from 'vitest';

import * as torch from './index.ts';
import * as scopes from './internal.ts';

const dist = new URL('../../dist/torch/index.js', import.meta.url).href;
const internal = new URL('internal.js', dist).href;

type Engine = typeof torch & typeof scopes;

/** Runs a function in a thread; it is passed as text. */
async function inThread<T>(body: (engine: Engine) => T | Promise<T>): Promise<T> {
  const source = `Promise.all([import('${dist}'), import('${internal}')]).then((parts) => (${body.toString()})(Object.assign({}, ...parts))).then(
    (result) => require('node:worker_threads').parentPort.postMessage(result));`;
  const worker = new Worker(source, { eval: true });
  const [result] = (await once(worker, 'message')) as [T];
  await worker.terminate();
  return result;
}

/** Some steps of training that use all that is kept per thread; the bits that come out. */
function train({ tidy, manualSeed, randn, ops, autocast, noGrad }: typeof torch): string {
  manualSeed(5);
  return tidy(() => {
    const x = randn([4, 3, 12, 12]);
    const w = randn([8, 3, 3, 3]).requiresGrad_();
    const v = randn([8 * 144, 10])
      .mul(0.05)
      .requiresGrad_();
    const losses: number[] = [];
    for (let i = 0; i < 6; i++) {
      tidy(() => {
        const h = ops.dropout(ops.conv2d(x, w, null, 1, 1).relu(), 0.3, true);
        const hook = h.registerHook((gradient) => {
          hook.remove();
          return gradient.mul(1.5);
        });
        const y = h.reshape([4, -1]).matmul(v);
        const half = autocast(() => ops.mm(h.reshape([4, -1]), v)).to('float32');
        const loss = y
          .mul(y)
          .mean()
          .add(half.abs().mean())
          .add(
            randn([100, 100])
              .matmul(randn([100, 100]))
              .mean(),
          );
        loss.backward();
        noGrad(() => {
          for (const one of [w, v]) {
            one.sub_(one.grad!.mul(0.01));
            one.grad = null;
          }
        });
        losses.push(loss.item());
      });
    }
    return JSON.stringify([losses, w.sum().item(), v.sum().item()]);
  });
}

describe('threads of one process', () => {
  it('compute the same bits side by side as alone, each with its own random stream', async () => {
    const alone = train(torch);
    const threads = [inThread(train), inThread(train), inThread(train)];
    const here: string[] = [];
    for (let i = 0; i < 8; i++) {
      here.push(train(torch));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(new Set([...(await Promise.all(threads)), ...here])).toEqual(new Set([alone]));
  });

  it('do not see each other: tensors, scopes, modes', async () => {
    const before = torch.memory().tensors;
    const scope = scopes.enterScope();
    const x = torch.ones([2]);
    const seen = await inThread(({ liveTensors, currentScope, ones, enterScope }) => {
      const found = [liveTensors().length, currentScope()];
      enterScope();
      ones([2]);
      return [...found, liveTensors().length];
    });
    expect(seen).toEqual([0, 0, 1]);
    expect(x.toArray()).toEqual([1, 1]);
    expect(torch.memory().tensors).toBe(before + 1);
    scopes.exitScope(scope);
  });

  it('use one number of threads for an operator, which a single one may change', async () => {
    const { threads } = torch.engineInfo();
    const message = await inThread(({ engineInfo, setThreads }) => {
      const { threads } = engineInfo();
      setThreads(threads);
      try {
        setThreads(threads + 1);
        return 'changed';
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(message).toMatch(/another thread of this process uses the engine[^]*RETORT_THREADS/);
    expect(torch.engineInfo().threads).toBe(threads);
    torch.setThreads(threads + 1);
    torch.setThreads(threads);
  });
});

it('threads that are terminated while they compute harm nobody', async () => {
  const forever = `import('${dist}').then(({ ones, randn, tidy, Generator, tidyAsync }) => {
    const x = ones([4], { requiresGrad: true });
    x.registerHook((gradient) => { ones([500, 500]); return gradient; });
    require('node:worker_threads').parentPort.postMessage('ready');
    tidyAsync(async () => { ones([10]); await new Promise(() => {}); });
    for (const kept = []; ; ) {
      ones([1024, 1024]);
      kept.push(ones([100]));
      x.mul(2).sum().backward();
      tidy(() => randn([50, 50]).matmul(randn([50, 50])));
      new Generator(1);
    }
  })`;
  const program = `
    const { Worker } = require('node:worker_threads');
    import('${dist}').then(async ({ ones, memory }) => {
      for (let i = 0; i < 5; i++) {
        const worker = new Worker(${JSON.stringify(forever)}, { eval: true });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await new Promise((resolve) => setTimeout(resolve, i * 9));
        await worker.terminate();
      }
      console.log(ones([2]).sum().item(), memory().bytes < 1000);
    })`;
  const child = spawn(process.execPath, ['-e', program], { cwd: fileURLToPath(new URL('../..', import.meta.url)) });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (printed += data.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect([code, signal, printed.trim()]).toEqual([0, null, '2 true']);
});
