import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { groupFromEnvironment, slurmHosts, tasksOfJobScript } from './launchers.ts';

const torchrun = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'x', MASTER_PORT: '3' };
const slurm = {
  SLURM_PROCID: '3',
  SLURM_NTASKS: '4',
  SLURM_JOB_NODELIST: 'node[01-04,07]',
  SLURM_JOB_ID: '77',
  SLURM_LAUNCH_NODE_IPADDR: '10.0.0.9',
};
const openMpi = { OMPI_COMM_WORLD_RANK: '2', OMPI_COMM_WORLD_SIZE: '3' };
const mpich = { PMI_RANK: '2', PMI_SIZE: '3' };
const meeting = { MASTER_ADDR: 'head', MASTER_PORT: '4000' };

it('finds nothing where nobody says anything, or this process is alone', () => {
  expect(groupFromEnvironment({})).toBeUndefined();
  expect(groupFromEnvironment(meeting)).toBeUndefined();
  expect(groupFromEnvironment({ RANK: '0', WORLD_SIZE: '1' })).toBeUndefined();
  expect(groupFromEnvironment({ WORLD_SIZE: '1' })).toBeUndefined();
  expect(groupFromEnvironment({ SLURM_PROCID: '0', SLURM_NTASKS: '1' })).toBeUndefined();
  expect(groupFromEnvironment({ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' })).toBeUndefined();
  // A shell in an allocation of four tasks: that of salloc on the login node, and one that srun has started alone.
  expect(groupFromEnvironment({ SLURM_NTASKS: '4', SLURM_JOB_ID: '77' })).toBeUndefined();
  expect(groupFromEnvironment({ ...slurm, SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '1' })).toBeUndefined();
});

it('takes what torchrun says, then Open MPI, MPICH and SLURM', () => {
  expect(groupFromEnvironment(torchrun)).toEqual({
    ...{ rank: 1, worldSize: 2, address: 'x', port: 3 },
    by: 'RANK and WORLD_SIZE',
  });
  expect(groupFromEnvironment({ ...openMpi, ...meeting })).toEqual({
    ...{ rank: 2, worldSize: 3, address: 'head', port: 4000 },
    by: 'Open MPI',
  });
  expect(groupFromEnvironment({ ...mpich, ...meeting })).toMatchObject({ rank: 2, worldSize: 3, by: 'MPICH' });
  expect(groupFromEnvironment(slurm)).toEqual({
    ...{ rank: 3, worldSize: 4, address: 'node01', port: 61_077 },
    by: 'SLURM',
  });
  // torchrun with two processes on each of the tasks of SLURM, mpirun over daemons that SLURM has started.
  expect(groupFromEnvironment({ ...slurm, ...torchrun, WORLD_SIZE: '8', RANK: '5' })).toMatchObject({ rank: 5 });
  expect(groupFromEnvironment({ ...slurm, ...openMpi, ...meeting })).toMatchObject({ rank: 2, by: 'Open MPI' });
  // srun --mpi=pmi2 sets the variables of MPICH too.
  const pmi = { PMI_RANK: '3', PMI_SIZE: '4' };
  expect(groupFromEnvironment({ ...slurm, ...pmi })).toMatchObject({ address: 'node01', by: 'SLURM' });
});

it('finds where the first task of SLURM listens', () => {
  const addressOf = (env: object): unknown => {
    const { address, port } = groupFromEnvironment({ ...slurm, ...env })!;
    return [address, port];
  };
  expect(addressOf({ SLURM_STEP_NODELIST: 'node[03-04]' })).toEqual(['node03', 61_077]);
  expect(addressOf({ SLURM_JOB_NODELIST: undefined })).toEqual(['10.0.0.9', 61_077]);
  expect(addressOf({ MASTER_ADDR: 'head' })).toEqual(['head', 61_077]);
  expect(addressOf(meeting)).toEqual(['head', 4000]);
  expect(addressOf({ SLURM_STEP_ID: '1' })).toEqual(['node01', 61_288]);
  expect(addressOf({ SLURM_JOB_ID: '4294967295', SLURM_STEP_ID: '4294967290' })).toEqual([
    'node01',
    expect.any(Number),
  ]);
  expect(() => groupFromEnvironment({ ...slurm, SLURM_JOB_ID: undefined })).toThrow(
    refusal('invalid-argument', 'SLURM_JOB_ID', 'MASTER_PORT'),
  );
  expect(() => groupFromEnvironment({ SLURM_PROCID: '0', SLURM_NTASKS: '2', SLURM_JOB_ID: '7' })).toThrow(
    refusal('invalid-argument', 'SLURM_JOB_NODELIST', 'MASTER_ADDR'),
  );
});

it("is alone in the script of a job, which has the first task's number", () => {
  const script = { ...slurm, SLURM_PROCID: '0', SLURM_TASK_PID: '123', SLURM_LAUNCH_NODE_IPADDR: undefined };
  expect(groupFromEnvironment(script)).toBeUndefined();
  expect(tasksOfJobScript(script)).toBe(4);
  const task = { ...script, SLURM_STEP_ID: '0' };
  expect(groupFromEnvironment(task)).toMatchObject({ rank: 0, worldSize: 4 });
  expect([tasksOfJobScript(task), tasksOfJobScript({}), tasksOfJobScript({ SLURM_NTASKS: '4' })]).toEqual(
    Array(3).fill(undefined),
  );
});

it('refuses half of what describes a group', () => {
  for (const [env, there, missing] of [
    [{ RANK: '1' }, 'RANK=1', 'WORLD_SIZE'],
    [{ WORLD_SIZE: '2' }, 'WORLD_SIZE=2', 'RANK'],
    [{ SLURM_PROCID: '1' }, 'SLURM_PROCID=1', 'SLURM_NTASKS'],
    [{ OMPI_COMM_WORLD_RANK: '1' }, 'OMPI_COMM_WORLD_RANK=1', 'OMPI_COMM_WORLD_SIZE'],
    [{ PMI_SIZE: '2' }, 'PMI_SIZE=2', 'PMI_RANK'],
    [{ ...torchrun, MASTER_ADDR: undefined }, 'WORLD_SIZE=2', 'MASTER_ADDR'],
    [{ ...torchrun, MASTER_PORT: undefined }, 'WORLD_SIZE=2', 'MASTER_PORT'],
    [openMpi, 'OMPI_COMM_WORLD_SIZE=3', 'MASTER_ADDR'],
  ] as const) {
    expect(() => groupFromEnvironment(env), there).toThrow(refusal('invalid-argument', there, missing));
  }
});

it('refuses variables that disagree', () => {
  // One of RANK and WORLD_SIZE, set for all: the scheduler has to say the same.
  expect(groupFromEnvironment({ ...slurm, WORLD_SIZE: '4' })).toMatchObject({ rank: 3, worldSize: 4 });
  for (const [env, one, other] of [
    [{ ...slurm, WORLD_SIZE: '8' }, 'WORLD_SIZE=8', 'SLURM_NTASKS=4'],
    [{ ...slurm, RANK: '0' }, 'RANK=0', 'SLURM_PROCID=3'],
    [{ ...slurm, ...torchrun, RANK: '0', WORLD_SIZE: '4' }, 'RANK=0', 'SLURM_PROCID=3'],
    [{ ...torchrun, RANK: '2' }, 'RANK', 'WORLD_SIZE is 2'],
    [{ ...slurm, SLURM_PROCID: '4' }, 'SLURM_PROCID', 'SLURM_NTASKS is 4'],
  ] as const) {
    expect(() => groupFromEnvironment(env), one).toThrow(refusal('invalid-argument', one, other));
  }
  // torchrun listens at the port itself, and gives ranks in the order in which its agents arrive.
  const elastic = { ...slurm, ...torchrun, RANK: '0', WORLD_SIZE: '4', TORCHELASTIC_RUN_ID: 'x' };
  expect(groupFromEnvironment(elastic)).toMatchObject({ rank: 0, worldSize: 4, port: 3 });
  expect(groupFromEnvironment({ ...elastic, TORCHELASTIC_USE_AGENT_STORE: 'True' })).toMatchObject({ port: 4 });
});

it.each([
  ['RANK', ''],
  ['RANK', '-1'],
  ['MASTER_PORT', '0x50'],
  ['MASTER_PORT', '70000'],
  ['WORLD_SIZE', '2.0'],
  ['MASTER_ADDR', ''],
])('refuses %s=%j', (name, text) => {
  expect(() => groupFromEnvironment({ ...torchrun, [name]: text })).toThrow(
    refusal(
      'invalid-argument',
      `${name}: expected`,
      `got ${name === 'MASTER_PORT' && text === '70000' ? text : `"${text}"`}`,
    ),
  );
});

it('reads lists of hosts as SLURM writes them', () => {
  expect(slurmHosts('node[01-04,07]')).toEqual(['node01', 'node02', 'node03', 'node04', 'node07']);
  expect(slurmHosts('a,b')).toEqual(['a', 'b']);
  expect(slurmHosts('node[9-11],gpu-a.cluster')).toEqual(['node9', 'node10', 'node11', 'gpu-a.cluster']);
  expect(slurmHosts('r[1-2]n[08-09]-ib')).toEqual(['r1n08-ib', 'r1n09-ib', 'r2n08-ib', 'r2n09-ib']);
  for (const list of ['', 'node[', 'node[1-]', 'a,,b', 'node[3-1]', 'n[1-99999999]', 'a b', 'n]1[']) {
    expect(() => slurmHosts(list), list).toThrow(refusal('invalid-argument', `"${list}"`, 'MASTER_ADDR'));
  }
});
