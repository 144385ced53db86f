// Trains what a config says, in a folder from which the run can be resumed.
import type { CheckedStage } from '../config/index.ts';
import type { ProbeReport } from '../distill/algorithms/index.ts';
import { removeRun, silent, studentPath } from '../engine/index.ts';
import type { NetworkMetrics, ProfileReport, RunLock } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import type { RetortErrorOptions } from '../errors.ts';
import { processGroup, requireDevice } from '../torch/index.ts';
import type { ProcessGroup } from '../torch/index.ts';
import { overridden } from './build.ts';
import type { BuildOptions, BuiltStage } from './build.ts';
import type { Experiment } from './experiment.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadedExperiment } from './load.ts';
import { probeError, probeExperiment } from './probe.ts';
import { askedOf, compareAsked } from './resume.ts';
import type { Compared } from './resume.ts';
import { claimFolder, readRecord, recordRun } from './run-folder.ts';
import { runStages } from './stages.ts';
import { describeStudents } from './student-info.ts';
import type { StageRun } from './stages.ts';

/** How {@link run} trains: what `retort train` takes, and what only a program has. */
export interface RunOptions extends BuildOptions {
  /**
   * Where checkpoints, the student and the record of the run go; each of several stages has a folder of its name in it. Default:
   * `runs/` and the config's name (`experiment` for an object), with -2, -3, ... where that has a run; of a run's folder that one.
   */
  workDir?: string | undefined;
  /** Go on from the checkpoint in the folder. Default false: a folder that holds a run is refused. */
  resume?: boolean | undefined;
  /** Give up the run that the folder holds. Default false. */
  overwrite?: boolean | undefined;
  /** Run one forward of all networks on four images before each stage, to see that everything fits. Default true. */
  probe?: boolean | undefined;
  /**
   * Measure where the time goes: a table through `progress`, and a trace of the first steps in `profile.json` of each stage's folder.
   * Default false.
   */
  profile?: boolean | undefined;
  /** Told what is worth a look. Default: a line of `progress`. */
  note?: ((text: string) => void) | undefined;
  /** Told of each stage that is about to be trained, with what the probe found where it was made. Default: nobody. */
  onStage?: ((stage: BuiltStage, found?: ProbeReport) => void) | undefined;
}

/** What a stage ended with. */
export interface StageResult {
  /** `''` where a config has no stages. */
  name: string;
  /** With the checkpoints and the students. */
  folder: string;
  /** Of the last evaluation, by network: `{ student: { accuracy: 91.2 }, teacher: { ... } }`. */
  metrics: NetworkMetrics;
  /** Seconds spent in steps, those before a resume too. */
  seconds: number;
  /** Whether the signal ended it before its last step. */
  stopped: boolean;
  /** Where the time went, with the option `profile`. */
  profile?: ProfileReport;
  /** Whether anything was left to train when it began. */
  trained: boolean;
  /** The path of the student, a safetensors file under its own names. */
  student: string;
  /** The paths of all students by their names, where there are several. */
  students: Readonly<Record<string, string>>;
  /** What trained it: the networks are as training left them. */
  parts: BuiltStage;
}

/** What a run ended with. */
export interface RunResult {
  folder: string;
  /** Those that ran, in order. */
  stages: readonly StageResult[];
  /** Of all stages. */
  seconds: number;
  /** Whether the signal ended it; then the same call with `resume: true` goes on. */
  stopped: boolean;
  /** Whether anything was left to train. */
  trained: boolean;
}

/**
 * Trains all stages of a config, one after the other, as `retort train` does: what is trained, how it was asked for, and checkpoints
 * to resume from bit for bit are in the run's folder. The path of such a folder with `resume: true` needs no config.
 * In a process group (`joinProcessGroup`) each process calls it with the same arguments.
 * @throws {ConfigError} that lists all that is wrong with the config.
 * @throws {RetortError} when something cannot be built, the probe finds mistakes, a loss is not finite, the folder holds another
 *   run or is in use, or a run cannot be gone on with.
 * @example
 * ```ts
 * const { stages, stopped } = await run('kd.ts', { epochs: 5, progress: new TerminalProgress() });
 * if (!stopped) console.log(stages[0]!.student, stages[0]!.metrics['student']);
 * ```
 * @example
 * ```ts
 * await run('runs/kd', { resume: true, epochs: 10 }); // five more
 * ```
 */
export async function run(config: ConfigSource, options: RunOptions = {}): Promise<RunResult> {
  const { progress = silent, resume = false, overwrite = false, probe = true, onStage } = options;
  const note = options.note ?? ((text: string): void => progress.line(`note ${text}`));
  if (overwrite && resume) {
    throw new RetortError(
      'run: expected at most one of overwrite, which discards a run, and resume, which continues it, got both',
    );
  }
  const experiment = await load(config, { ...options, note });
  const request = requestOf(experiment, options);
  const { overrides, stages } = request;
  for (const { config: one } of stages) if (one.device !== undefined) requireDevice(one.device, 'device');
  const group = processGroup();
  // Held before anything else can go wrong.
  using held = {
    lock: undefined as RunLock | undefined,
    [Symbol.dispose]() {
      this.lock?.[Symbol.dispose]();
    },
  };
  const { folder, notes, mistakes } = inTheFirst(group, () => {
    const { named, name } = request;
    const found = claimFolder({ named, config: name, resume, overwrite, note });
    held.lock = found.lock;
    return { folder: found.folder, ...compared(found.folder, request, resume) };
  });
  const { lock } = held;
  const trained = new Set<string>();
  const describe = (one: Parameters<typeof describeStudents>[0] & { metrics?: NetworkMetrics }): void => {
    if (group === undefined || group.rank === 0) describeStudents(one, stages, one.metrics);
  };
  const runs = await runStages(
    { stages, own: experiment.own },
    {
      ...{ workDir: folder, lock, progress, resume, mistakes },
      ...{ signal: options.signal, datasets: options.datasets, profile: options.profile },
      onBegin: () => {
        if (group !== undefined && group.rank !== 0) return;
        for (const text of notes) note(text);
        // A resumed run of the same values keeps what it said when it was started.
        const before = resume ? readRecord(folder) : undefined;
        const processes = group?.worldSize ?? 1;
        if (before !== undefined && notes.length === 0 && before.processes === processes) return;
        if (overwrite) removeRun(folder);
        const started = {
          ...experiment.asked,
          ...overrides,
          processes,
          before: experiment.run && before,
        };
        recordRun(folder, { loaded: experiment, stages }, started);
      },
      onStage: async (stage, parts, stageFolder) => {
        const { name } = stage;
        if (name !== '') progress.line(`stage ${name}`);
        for (const text of parts.notes) note(text);
        const { finished, position } = parts.trainer;
        if (finished) return;
        trained.add(name);
        const resumes = position.epoch + position.step > 0;
        if (resumes) progress.line(resumingAt(parts, stage.config.epochs));
        const found = probe && !resumes ? await probeExperiment(parts) : undefined;
        onStage?.(built(stage, parts), found);
        const error = found && probeError(found, experiment.name, name);
        if (error !== undefined) throw error;
        describe({ stage, experiment: parts, folder: stageFolder });
      },
    },
  );
  for (const one of runs) describe(one);
  return {
    folder,
    stages: runs.map((one) => resultOf(one, trained)),
    seconds: runs.reduce((sum, { seconds }) => sum + seconds, 0),
    stopped: runs.at(-1)!.stopped,
    trained: trained.size > 0,
  };
}

/** A config with what is asked for in place of its values, and where it is to be trained. */
interface Request {
  stages: readonly CheckedStage[];
  overrides: Pick<BuildOptions, 'seed' | 'epochs' | 'precision' | 'device'>;
  /** The folder that was named. */
  named: string | undefined;
  /** What the folder is called after, where none was named. */
  name: string;
}

/** What to train and where; the folder of a run says what was asked for then, and is given other values. */
function requestOf(experiment: LoadedExperiment, { workDir, resume = false, ...given }: RunOptions): Request {
  const { run: begun, name, path } = experiment;
  if (begun !== undefined && !resume) {
    throw new RetortError(`${begun.folder} is the folder of a run`, {
      code: 'run-exists',
      help: 'resume: true continues it; for another run like it name its config',
    });
  }
  if (begun !== undefined && workDir !== undefined && workDir !== begun.folder) {
    throw new RetortError(`workDir: a run is resumed in its own folder, ${begun.folder}, got ${workDir}`, {
      help: 'leave workDir out, or copy the folder and resume the copy',
    });
  }
  const { seed, epochs, precision, device } = begun?.record ?? {};
  const overrides = {
    seed: given.seed ?? seed,
    epochs: given.epochs ?? epochs,
    precision: given.precision ?? precision,
    device: given.device ?? device,
  };
  return {
    overrides,
    stages: overridden(experiment.stages, overrides, 'run'),
    named: begun?.folder ?? workDir,
    name: path === '' ? 'experiment' : name,
  };
}

/** What the first process finds out, in all of them; JSON must be able to hold it. */
function inTheFirst<T>(group: ProcessGroup | undefined, body: () => T): T {
  if (group === undefined) return body();
  let own: { value?: T; refused?: Refused } = {};
  let thrown: unknown;
  if (group.rank === 0) {
    try {
      own = { value: body() };
    } catch (error) {
      thrown = error;
      own = { refused: refusedBy(error) };
    }
  }
  const { value, refused } = group.allGatherObject(own)[0]!;
  if (thrown !== undefined) throw thrown;
  if (refused !== undefined) throw new RetortError(refused.what, refused);
  return value as T;
}

/** An error as JSON holds it: what a program acts on is the same in every process. */
interface Refused extends Pick<RetortErrorOptions, 'code' | 'help'> {
  what: string;
}

function refusedBy(error: unknown): Refused {
  if (!(error instanceof RetortError)) return { what: error instanceof Error ? error.message : String(error) };
  const { what, code, help } = error;
  return help === undefined ? { what, code } : { what, code, help };
}

/** What the run in a folder has of other values than are asked for. */
function compared(folder: string, request: Request, resumes: boolean): Compared {
  const { asked } = (resumes ? readRecord(folder) : undefined) ?? {};
  if (asked === undefined) return { notes: [], mistakes: [] };
  return compareAsked(folder, asked, askedOf(request), request.stages);
}

function resumingAt({ trainer, trainLoader }: Experiment, epochs: number): string {
  const { epoch, step } = trainer.position;
  if (epoch >= epochs) return 'resuming at the evaluation after the last epoch';
  return `resuming at epoch ${epoch + 1} of ${epochs}, step ${step + 1} of ${trainLoader.length}`;
}

const built = ({ name, config }: CheckedStage, parts: Experiment): BuiltStage => ({ ...parts, name, config });

function resultOf({ stage, experiment, folder, ...result }: StageRun, trained: ReadonlySet<string>): StageResult {
  const { algorithm } = experiment;
  const paths = Object.keys(algorithm.students()).map((name) => [name, studentPath(folder, algorithm, name)]);
  return {
    ...{ name: stage.name, folder, ...result, trained: trained.has(stage.name) },
    student: studentPath(folder),
    students: Object.fromEntries(paths) as Record<string, string>,
    parts: built(stage, experiment),
  };
}
