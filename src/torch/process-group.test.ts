// Collective operations, in two and three processes on this machine.
import { beforeEach, expect, it } from 'vitest';

import { inProcesses } from '../../test/processes.ts';
import { freePort } from '../cli/processes.ts';
import {
  engineInfo,
  groupFromEnvironment,
  joinFromEnvironment,
  joinProcessGroup,
  processGroup,
  tidy,
  zeros,
} from './index.ts';

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

it('refuses what makes no group', async () => {
  const port = await freePort();
  expect(() => joinProcessGroup({ rank: 2, worldSize: 2, port })).toThrow(
    /rank must be a whole number from 0 to 1, got 2/,
  );
  expect(() => joinProcessGroup({ rank: 0, worldSize: 2, port: 0 })).toThrow(/port must be/);
  expect(() => joinProcessGroup({ rank: 0, worldSize: 2, port, timeout: 0 })).toThrow(/timeout must be more than 0/);
  expect(() => joinProcessGroup({ rank: 1, worldSize: 2, port, timeout: 0.3 })).toThrow(
    /process 1 of 2 did not find the others at 127.0.0.1/,
  );
  expect(joinFromEnvironment({})).toBeUndefined();
  expect(joinFromEnvironment({ RANK: '0', WORLD_SIZE: '1', MASTER_ADDR: 'x', MASTER_PORT: '1' })).toBeUndefined();
  expect(groupFromEnvironment({ RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'x', MASTER_PORT: '3' })).toEqual({
    rank: 1,
    worldSize: 2,
    address: 'x',
    port: 3,
  });
  expect(processGroup()).toBeUndefined();
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
  expect(() => joinProcessGroup({ rank: 0, worldSize: 1, port: 1 })).toThrow(/in a group already/);
  expect(group.alone(() => processGroup())).toBeUndefined();
  expect(processGroup()).toBe(group);
  group.leave();
  expect(() => group.barrier()).toThrow(/the group was left/);
});
