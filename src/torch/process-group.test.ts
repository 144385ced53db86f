// Collective operations, in two and three processes on this machine.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

import { beforeEach, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { inProcesses } from '../../test/processes.ts';
import { freePort } from '../cli/processes.ts';
import { engineInfo, joinFromEnvironment, joinProcessGroup, processGroup, tidy, zeros } from './index.ts';

beforeEach(({ skip }) => skip(!engineInfo().processes, 'libtorch came without Gloo'));

it('reduces, broadcasts and gathers', async () => {
  const results = await inProcesses(3, (group, { tensor, tidy: scope }) =>
    scope(() => {
      const { rank } = group;
      const [sum, matrix] = [tensor([1 + rank, 2]), tensor([[rank]])];
      group.allReduce_([sum, matrix]);
      const mean = tensor([rank], { dtype: 'float64' });
      group.allReduce_([mean], 'mean');
      const most = tensor([BigInt(rank)]);
      group.allReduce_([most], 'max');
      const sent = tensor([10 * rank]);
      group.broadcast_([sent], 1);
      group.barrier();
      const uneven = group.allGather(tensor(Array.from({ length: rank }, () => [rank, rank]))).map((one) => one.shape);
      return {
        reduced: [sum, matrix, mean, sent].map((one) => one.toArray()),
        most: Number(most.item()),
        uneven,
        objects: group.allGatherObject({ rank, text: 'ä'.repeat(rank) }),
      };
    }),
  );
  for (const result of results) {
    expect(result).toEqual({
      reduced: [[6, 6], [[3]], [1], [10]],
      most: 2,
      uneven: [[0], [1, 2], [2, 2]],
      objects: [
        { rank: 0, text: '' },
        { rank: 1, text: 'ä' },
        { rank: 2, text: 'ää' },
      ],
    });
  }
});

it('concat gives each process the gradients that all have for its part', async () => {
  const results = await inProcesses(2, ({ rank }, { processGroup: joined, tensor }) => {
    const x = tensor([[rank + 1]], { requiresGrad: true });
    const all = joined()!.concat(x); // (2, 1)
    all
      .pow(2)
      .mul(rank + 1)
      .sum()
      .backward(); // each process weighs the sum by its own factor
    return { all: all.toArray(), grad: x.grad!.toArray() };
  });
  expect(results).toEqual([
    { all: [[1], [2]], grad: [[6]] }, // (1 + 2) * 2 * 1
    { all: [[1], [2]], grad: [[12]] },
  ]);
});

it('leaves no tensors behind', async () => {
  const results = await inProcesses(2, (group, { liveTensors, tensor }) => {
    const x = tensor([1, 2]);
    for (let i = 0; i < 3; i++) {
      group.allReduce_([x], 'mean');
      group.broadcast_([x]);
      group.allGatherObject(i);
      group.barrier();
    }
    return liveTensors().length;
  });
  expect(results).toEqual([1, 1]);
});

it('says that another process has ended', async () => {
  const [survivor] = await inProcesses(2, (group, { tensor }) => {
    group.allReduce_([tensor([1])]);
    if (group.rank === 1) {
      group.leave();
      return 'left';
    }
    group.allReduce_([tensor([1])]);
    return 'reduced';
  });
  expect(survivor).toEqual({ error: expect.stringMatching(/process 0 of 2 lost another one/) });
});

it('ends at the second signal while it waits for another process', async () => {
  const port = await freePort();
  const start = (rank: number, body: string): ChildProcess => {
    const source = `
      import { joinProcessGroup } from 'retort-kd/torch';
      process.on('SIGINT', () => undefined);
      const group = joinProcessGroup({ rank: ${rank}, worldSize: 2, port: ${port}, timeout: 600 });
      ${body}`;
    return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
  };
  const silent = start(1, 'group.barrier(); setInterval(() => undefined, 1000);');
  const waiting = start(0, "group.barrier(); process.stdout.write('joined'); setTimeout(() => group.barrier(), 0);");
  const ended = new Promise((done) => waiting.on('close', (code) => done(code)));
  let said = '';
  waiting.stderr!.on('data', (data) => (said += data));
  await new Promise((done) => waiting.stdout!.once('data', done));
  for (let alive = true; alive; alive = waiting.exitCode === null) {
    waiting.kill('SIGINT'); // the first ones may come before it waits
    await new Promise((done) => setTimeout(done, 100));
  }
  expect(await ended).toBe(130);
  expect(said).toMatch(/ended while it waited for another process/);
  silent.kill('SIGKILL');
});

it('refuses what makes no group', async () => {
  const port = await freePort();
  expect(() => joinProcessGroup({ rank: 2, worldSize: 2, port })).toThrow(
    refusal('invalid-argument', 'joinProcessGroup', 'rank', '0 to 1', '2'),
  );
  expect(() => joinProcessGroup({ rank: 0, worldSize: 2, port: 0 })).toThrow(
    refusal('invalid-argument', 'joinProcessGroup', 'port', '65535'),
  );
  expect(() => joinProcessGroup({ rank: 0, worldSize: 2, port, timeout: 0 })).toThrow(
    refusal('invalid-argument', 'joinProcessGroup', 'timeout', '0'),
  );
  expect(() => joinProcessGroup({ rank: 1, worldSize: 2, port, timeout: 0.3 })).toThrow(
    refusal('process-group', 'process 1 of 2', '127.0.0.1'),
  );
  expect(joinFromEnvironment({})).toBeUndefined();
  expect(processGroup()).toBeUndefined();
});

it('refuses what cannot be exchanged, before anything is', async () => {
  using group = joinProcessGroup({ rank: 0, worldSize: 1, port: await freePort() });
  tidy(() => {
    expect(() => group.broadcast_([zeros([1])], 1)).toThrow(refusal('invalid-argument', 'root', '0', '1'));
    expect(() => group.allReduce_([zeros([1])], 'maxx' as 'max')).toThrow(refusal('unknown-name', 'maxx', 'max'));
    expect(() => group.allReduce_([zeros([1], { dtype: 'bool' })])).toThrow(
      refusal('invalid-argument', 'allReduce_', 'bool', 'sum'),
    );
    expect(() => group.allReduce_([zeros([1], { dtype: 'int32' })], 'mean')).toThrow(
      refusal('invalid-argument', 'allReduce_', 'int32', 'mean'),
    );
    expect(() => group.broadcast_([zeros([1]), zeros([1], { dtype: 'int64' })])).toThrow(
      refusal('invalid-argument', 'float32', 'int64'),
    );
  });
});

it('carries every element type', async () => {
  const results = await inProcesses(2, (group, { ops, tensor, tidy: scope }) =>
    scope(() =>
      (['bool', 'uint8', 'int16', 'bfloat16', 'float16', 'complex64'] as const).map((dtype) => {
        const [own, sent] = [ops.ones([3], { dtype }).mul(group.rank), ops.ones([2], { dtype }).mul(group.rank)];
        group.broadcast_([sent], 1);
        const reduced = dtype.includes('float') ? ops.full([2], group.rank + 1.5, { dtype }) : tensor([0]);
        group.allReduce_([reduced]);
        const gathered = group.allGather(own).map((one) => one.to('float32').toArray());
        return [dtype, gathered, sent.to('float32').toArray(), reduced.to('float32').toArray()];
      }),
    ),
  );
  const row = (dtype: string, reduced: number[]): unknown => [
    dtype,
    [
      [0, 0, 0],
      [1, 1, 1],
    ],
    [1, 1],
    reduced,
  ];
  for (const result of results) {
    expect(result).toEqual(
      ['bool', 'uint8', 'int16', 'bfloat16', 'float16', 'complex64'].map((dtype) =>
        row(dtype, dtype.includes('float') ? [4, 4] : [0]),
      ),
    );
  }
});

it('says to all of them where processes disagree', async () => {
  const results = await inProcesses(2, (group, { ops, tidy: scope }) => {
    const other = group.rank === 1;
    const attempt = (body: () => void): string => {
      try {
        scope(body);
        return 'went through';
      } catch (error) {
        return (error as Error).message.split('\n')[0]!;
      }
    };
    return [
      attempt(() => group.allReduce_([ops.zeros([other ? 3 : 2])])),
      attempt(() => group.allReduce_([ops.zeros([2], { dtype: other ? 'int64' : 'float32' })])),
      attempt(() => void group.allGather(ops.zeros([2], { dtype: other ? 'int64' : 'float32' }))),
      attempt(() => group.allReduce_([ops.zeros([2])], other ? 'max' : 'sum')),
      attempt(() => group.broadcast_([ops.zeros([2])], Number(other))),
      attempt(() => (other ? group.barrier() : group.broadcast_([ops.zeros([2])]))),
      attempt(() => group.barrier()),
    ];
  });
  const disagreement = (first: string, second: string): string[] => [
    `ProcessGroup: the processes disagree: process 0 calls ${first}, process 1 ${second}`,
    `ProcessGroup: the processes disagree: process 1 calls ${second}, process 0 ${first}`,
  ];
  const expected = [
    disagreement('allReduce(float32[2], sum)', 'allReduce(float32[3], sum)'),
    disagreement('allReduce(float32[2], sum)', 'allReduce(int64[2], sum)'),
    disagreement('allGather(float32[2])', 'allGather(int64[2])'),
    disagreement('allReduce(float32[2], sum)', 'allReduce(float32[2], max)'),
    disagreement('broadcast(float32[2], root 0)', 'broadcast(float32[2], root 1)'),
    disagreement('broadcast(float32[2], root 0)', 'barrier()'),
    ['went through', 'went through'],
  ];
  expect(results).toEqual([0, 1].map((rank) => expected.map((pair) => pair[rank])));
});

it('is a group of one too', async () => {
  using group = joinProcessGroup({ rank: 0, worldSize: 1, port: await freePort() });
  tidy(() => {
    const x = zeros([2]).add_(3);
    group.allReduce_([x], 'mean');
    expect(x.toArray()).toEqual([3, 3]);
    expect(group.allGatherObject('a')).toEqual(['a']);
  });
  expect(processGroup()).toBe(group);
  expect(() => joinProcessGroup({ rank: 0, worldSize: 1, port: 1 })).toThrow(
    refusal('invalid-state', 'joinProcessGroup'),
  );
  expect(group.alone(() => processGroup())).toBeUndefined();
  expect(processGroup()).toBe(group);
  group.leave();
  expect(() => group.barrier()).toThrow(refusal('invalid-state', 'allGather'));
});
