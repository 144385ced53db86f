// Where a process group is described in the environment: by torchrun and whoever else sets `RANK` and its like, by Open MPI, by
// MPICH and its kin, by SLURM. Each says which process this is and how many there are; where the first one listens is told by some.
import { RetortError } from '../errors.ts';
import type { ProcessGroupOptions } from './process-group.ts';

/** What {@link groupFromEnvironment} finds. */
export interface LauncherGroup extends ProcessGroupOptions {
  address: string;
  /** By what the processes were started, as far as their variables say: `'RANK and WORLD_SIZE'`, `'SLURM'`, `'Open MPI'`, `'MPICH'`. */
  by: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Launcher {
  by: string;
  /** The variable that says which process this is. */
  rank: string;
  /** Those that say how many there are: the first that is set counts. */
  sizes: readonly [string, ...string[]];
}

const torchrun: Launcher = { by: 'RANK and WORLD_SIZE', rank: 'RANK', sizes: ['WORLD_SIZE'] };
const slurm: Launcher = {
  by: 'SLURM',
  rank: 'SLURM_PROCID',
  sizes: ['SLURM_STEP_NUM_TASKS', 'SLURM_NTASKS', 'SLURM_NPROCS'],
};
/**
 * From the innermost outwards: `mpirun` in a job of SLURM starts its own daemons through `srun`, whose numbers the processes inherit.
 */
const schedulers: readonly Launcher[] = [
  { by: 'Open MPI', rank: 'OMPI_COMM_WORLD_RANK', sizes: ['OMPI_COMM_WORLD_SIZE'] },
  { by: 'MPICH', rank: 'PMI_RANK', sizes: ['PMI_SIZE'] },
  slurm,
];

/** What a launcher says of this process. */
interface Place {
  launcher: Launcher;
  rank: number;
  size: number;
  /** The variable that said so. */
  sizeName: string;
}

/**
 * The group that the environment describes; undefined where this process is alone. `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and
 * `MASTER_PORT` come first, as torchrun and Kubernetes' operators set them (where torchrun listens at that port itself, the next one
 * is taken); then Open MPI's `OMPI_COMM_WORLD_RANK` and `_SIZE`,
 * MPICH's `PMI_RANK` and `PMI_SIZE`, SLURM's `SLURM_PROCID` and `SLURM_STEP_NUM_TASKS` or `SLURM_NTASKS`. Those of MPI need
 * `MASTER_ADDR` and `MASTER_PORT` besides. With SLURM the first host of `SLURM_STEP_NODELIST` or `SLURM_JOB_NODELIST` (else
 * `SLURM_LAUNCH_NODE_IPADDR`) is the address and the job's number gives the port, unless those two are set.
 *
 * A job of one task is no group, nor is the script of a job, which SLURM starts once for all tasks.
 * @throws {RetortError} for numbers that are not written as such, for half of what describes a group, and for variables that
 *   disagree about which process this is or how many there are.
 * @example
 * ```ts
 * groupFromEnvironment({ SLURM_PROCID: '1', SLURM_NTASKS: '4', SLURM_JOB_NODELIST: 'node[01-04]', SLURM_JOB_ID: '77' });
 * // { rank: 1, worldSize: 4, address: 'node01', port: 61077, by: 'SLURM' }
 * ```
 */
export function groupFromEnvironment(env: Environment = process.env): LauncherGroup | undefined {
  const own = placeOf(torchrun, env);
  const found = schedulers.map((one) => placeOf(one, env)).filter((place) => place !== undefined);
  const place = own ?? found[0];
  if (place === undefined) return orphan(env);
  if (own === undefined) requireSame(place, env);
  else if (found[0] !== undefined) requireNoCopy(own, found[0], env);
  const { launcher, rank, size } = place;
  if (size === 1) return undefined;
  // SLURM's plugins for MPI set MPI's variables too: what started the processes then is SLURM, which also knows the hosts.
  const bySlurm = found.find((one) => one.launcher === slurm && one.rank === rank && one.size === size);
  const meeting = launcher === torchrun || bySlurm === undefined ? meetingPoint(place, env) : slurmMeeting(env);
  return {
    rank,
    worldSize: size,
    ...meeting,
    by: bySlurm === undefined || launcher === torchrun ? launcher.by : 'SLURM',
  };
}

/**
 * The hosts of a list as SLURM writes it: `node[01-04,07],gpu-a`, `r[1-2]n[1-2]`.
 * @throws {RetortError} for a list that is not written so.
 */
export function slurmHosts(list: string): string[] {
  const hosts: string[] = [];
  // A comma inside brackets is one between numbers.
  for (const word of list.split(/,(?![^[]*\])/)) {
    if (!/^[\w.-]*(?:\[\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\][\w.-]*)*$/.test(word) || word === '') throw notHosts(list);
    let names = [''];
    for (const piece of word.split(/(?=\[)|(?<=\])/)) {
      const ends = piece.startsWith('[')
        ? piece
            .slice(1, -1)
            .split(',')
            .flatMap((range) => numbersOf(range, list))
        : [piece];
      if (names.length * ends.length > mostHosts) throw notHosts(list);
      names = names.flatMap((name) => ends.map((end) => name + end));
    }
    hosts.push(...names);
  }
  return hosts;
}

const mostHosts = 65_536;

/** `01-04` as `01`, `02`, `03`, `04`. */
function numbersOf(range: string, list: string): string[] {
  const [first = '', last = first] = range.split('-');
  const count = Number(last) - Number(first) + 1;
  if (!(count >= 1 && count <= mostHosts)) throw notHosts(list);
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(first.length, '0'));
}

function notHosts(list: string): RetortError {
  return new RetortError(`SLURM's list of hosts: expected one such as node[01-04,07], got "${list}"`, {
    help: 'set MASTER_ADDR to the host of process 0, and MASTER_PORT to a port that is free there',
  });
}

/** What a launcher says, if it has started this process. @throws {RetortError} for half of it. */
function placeOf(launcher: Launcher, env: Environment): Place | undefined {
  const rank = env[launcher.rank];
  const sizeName = launcher.sizes.find((name) => env[name] !== undefined);
  if (launcher === torchrun) {
    // Many a script sets WORLD_SIZE and leaves the ranks to the scheduler.
    if (rank === undefined || sizeName === undefined) return undefined;
  } else if (launcher === slurm) {
    // An allocation says how many tasks it has; only a task has a number.
    if (rank === undefined || inJobScript(env)) return undefined;
  } else if (rank === undefined && sizeName === undefined) return undefined;
  if (rank === undefined || sizeName === undefined) {
    const [there, missing] = rank === undefined ? [sizeName!, launcher.rank] : [launcher.rank, launcher.sizes.at(-1)!];
    throw half(`${there}=${env[there]}`, launcher === slurm && rank !== undefined ? 'SLURM_NTASKS' : missing);
  }
  const place = { launcher, rank: integer(launcher.rank, rank), size: integer(sizeName, env[sizeName]!), sizeName };
  if (place.rank < place.size) return place;
  throw new RetortError(
    `${launcher.rank}: expected an integer from 0 to ${place.size - 1}, as ${sizeName} is ${place.size}, got ${place.rank}`,
    { help: alone },
  );
}

/** Whether SLURM's daemon has started this process, but in no step: then it has the number of the first task, and is none. */
const inJobScript = (env: Environment): boolean =>
  env['SLURM_TASK_PID'] !== undefined && env['SLURM_STEP_ID'] === undefined && env['SLURM_STEPID'] === undefined;

/** How many tasks the job of SLURM has whose script this process is in, outside of `srun`; undefined elsewhere. */
export function tasksOfJobScript(env: Environment = process.env): number | undefined {
  const tasks = env['SLURM_NTASKS'] ?? env['SLURM_NPROCS'];
  return tasks === undefined || env['SLURM_PROCID'] === undefined || !inJobScript(env) ? undefined : Number(tasks);
}

/** Where only one of RANK and WORLD_SIZE is set, and nobody else says the other. */
function orphan(env: Environment): undefined {
  const { RANK: rank, WORLD_SIZE: size } = env;
  if (rank === undefined && size === undefined) return undefined;
  if (rank === undefined && integer('WORLD_SIZE', size!) === 1) return undefined;
  if (rank === undefined) throw half(`WORLD_SIZE=${size}`, 'RANK');
  throw half(`RANK=${rank}`, 'WORLD_SIZE');
}

/** RANK or WORLD_SIZE, where only one of them is set, must be what the scheduler says. */
function requireSame({ launcher, rank, size, sizeName }: Place, env: Environment): void {
  for (const [name, other, value] of [
    ['RANK', launcher.rank, rank],
    ['WORLD_SIZE', sizeName, size],
  ] as const) {
    const text = env[name];
    if (text !== undefined && integer(name, text) !== value) throw disagreement(`${name}=${text}`, `${other}=${value}`);
  }
}

/**
 * RANK and WORLD_SIZE count where both are set: torchrun started by a scheduler, with several processes on a host, has other numbers
 * than that. But where there are as many processes as tasks, one number set for all of them is a mistake that would wait for long.
 */
function requireNoCopy(own: Place, scheduler: Place, env: Environment): void {
  if (env['TORCHELASTIC_RUN_ID'] !== undefined || own.size !== scheduler.size || own.rank === scheduler.rank) return;
  throw disagreement(`RANK=${own.rank}`, `${scheduler.launcher.rank}=${scheduler.rank}`);
}

function disagreement(one: string, other: string): RetortError {
  return new RetortError(`the environment disagrees about the processes: ${one}, but ${other}`, {
    help: `unset ${one.split('=')[0]}, which then is taken from the scheduler, or set it in each process to its own value`,
  });
}

function half(there: string, missing: string): RetortError {
  return new RetortError(`${there} is set, but ${missing} is not`, { help: `set ${missing} too; ${alone}` });
}

const alone = 'to train in one process, unset the variables that describe several';

function meetingPoint({ launcher, size, sizeName }: Place, env: Environment): { address: string; port: number } {
  if (launcher === slurm) return slurmMeeting(env);
  const { MASTER_ADDR: address, MASTER_PORT: port } = env;
  if (address !== undefined && address !== '' && port !== undefined) {
    const number = portNumber(port);
    return { address, port: env['TORCHELASTIC_USE_AGENT_STORE'] === 'True' ? besides(number) : number };
  }
  if (address === '') throw new RetortError('MASTER_ADDR: expected the address of the machine of rank 0, got ""');
  const missing = address === undefined ? 'MASTER_ADDR' : 'MASTER_PORT';
  const pass = launcher.by === 'Open MPI' ? '; mpirun hands them on with -x MASTER_ADDR -x MASTER_PORT' : '';
  throw new RetortError(
    `${missing}: expected ${missing === 'MASTER_ADDR' ? 'the address of the machine of rank 0' : 'a port that is free there'}, got none (${sizeName}=${size})`,
    { help: `set MASTER_ADDR and MASTER_PORT to the same values in all processes${pass}` },
  );
}

/** torchrun itself listens at the port that it tells, and speaks another version's language: ours is the next one. */
const besides = (port: number): number => (port === 65_535 ? port - 1 : port + 1);

/** The first task runs on the first host of its step; the port follows from job and step, so that two of them on a host do not meet. */
function slurmMeeting(env: Environment): { address: string; port: number } {
  const { MASTER_ADDR: address, MASTER_PORT: port, SLURM_LAUNCH_NODE_IPADDR: launchedAt } = env;
  const hosts = env['SLURM_STEP_NODELIST'] ?? env['SLURM_JOB_NODELIST'] ?? env['SLURM_NODELIST'];
  const job = env['SLURM_JOB_ID'] ?? env['SLURM_JOBID'];
  const chosen = address ?? (hosts === undefined ? launchedAt : slurmHosts(hosts)[0]);
  if (chosen === undefined || chosen === '') {
    throw new RetortError('SLURM does not say where its first task runs: SLURM_JOB_NODELIST is not set', {
      help: 'set MASTER_ADDR to that host, and MASTER_PORT to a port that is free there',
    });
  }
  if (port !== undefined) return { address: chosen, port: portNumber(port) };
  if (job === undefined) {
    throw new RetortError(
      'SLURM does not say which job this is, from which a port would follow: SLURM_JOB_ID is not set',
      {
        help: 'set MASTER_PORT to a port that is free on the host of process 0',
      },
    );
  }
  const step = env['SLURM_STEP_ID'] ?? env['SLURM_STEPID'] ?? '0';
  const number = integer('SLURM_JOB_ID', job) + 211 * integer('SLURM_STEP_ID', step);
  return { address: chosen, port: firstPort + (number % ports) };
}

/** Above those that Linux gives to connections (32768 to 60999): nobody has one of these by chance. */
const firstPort = 61_000;
const ports = 4500;

function portNumber(text: string): number {
  const port = integer('MASTER_PORT', text);
  if (port >= 1 && port <= 65_535) return port;
  throw new RetortError(`MASTER_PORT: expected an integer from 1 to 65535, got ${port}`);
}

function integer(name: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new RetortError(`${name}: expected an integer in decimal digits, got "${text}"`, { help: alone });
}
