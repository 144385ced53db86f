// The life of a run on disk and at the terminal: a second run loses nothing of the first, a resume does what is asked or says why not,
// signals save, output that goes away ends nothing, and every error is one line of words. Runs the build in dist/.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from './networks.ts';

// Commands are started one after another, and each loads libtorch: on a busy machine that alone takes a while.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-runs-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}
function retort(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder });
  return { code: status, out: stdout, err: stderr };
}
/** A line of bash in which `retort` is the command. */
function bash(line: string): Outcome {
  const define = `set -o pipefail; retort() { ${process.execPath} ${main} "$@"; }`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `${define}; ${line}`], { encoding: 'utf8', cwd: folder });
  return { code: status, out: stdout, err: stderr };
}

const config = tinyExperiment({
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9 },
  hooks: [{ type: 'LoggerHook', interval: 1 }],
  epochs: 2,
});
const long = { ...config, trainData: tinyImages(8192), epochs: 50 };

function write(name: string, content: unknown): string {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}
const bytes = (path: string): string => readFileSync(join(folder, path)).toString('base64');
const logged = (run: string): { epoch: number; step: number; lr: number }[] =>
  readFileSync(join(folder, run, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { epoch: number; step: number; lr: number });
const steps = (run: string): string[] => logged(run).map(({ epoch, step }) => `${epoch}.${step}`);

it('a second run loses nothing of the first', () => {
  const file = write('twice.json', config);
  expect(retort('train', file, '--no-probe').code).toBe(0);
  const student = bytes('runs/twice/student.safetensors');
  const second = retort('train', file, '--no-probe', '--seed', '9');
  expect(second.out).toMatch(
    /note runs\/twice already holds a run: this one goes to runs\/twice-2 \(.*: node \S*dist\/cli\/main\.js train --resume runs\/twice\)/,
  );
  expect(second.out).toMatch(/the student is runs\/twice-2\/student.safetensors/);
  expect(bytes('runs/twice/student.safetensors')).toBe(student);

  const named = retort('train', file, '--no-probe', '--work-dir', 'runs/twice');
  expect(named.code).toBe(1);
  expect(named.err).toMatch(
    /runs\/twice already holds a run \(.*\), which would be lost\n {2}help: .*--resume runs\/twice, .*resume: true.*--work-dir.*--overwrite/,
  );
  expect(bytes('runs/twice/student.safetensors')).toBe(student);

  const wrong = write('wrong/twice.json', { ...config, epochs: 0 });
  expect(retort('train', wrong, '--work-dir', 'runs/twice', '--overwrite').code).toBe(1);
  expect(bytes('runs/twice/student.safetensors')).toBe(student);
  write('runs/twice/notes.txt', 'mine');
  expect(retort('train', file, '--no-probe', '--work-dir', 'runs/twice', '--overwrite', '--epochs', '1').code).toBe(0);
  expect(steps('runs/twice')).toEqual(['1.1', '1.2', '1.0']);
  expect(existsSync(join(folder, 'runs/twice/notes.txt'))).toBe(true);
  expect(retort('train', '--resume', 'runs/twice', '--overwrite').err).toMatch(
    /expected at most one of overwrite.* and resume/,
  );

  const last = retort('train', file, '--resume');
  expect(last.out).toMatch(/note the last run of this name is runs\/twice-2/);
  expect(last.err).toMatch(/seed: 0 asked for, it was 9/);
});

it('goes on with what can be, and says so; a finished run is finished', () => {
  const file = write('first.json', { ...config, schedulers: [{ type: 'CosineAnnealingLR' }] });
  expect(retort('train', file, '--no-probe', '--work-dir', 'first').code).toBe(0);
  const student = bytes('first/student.safetensors');
  const again = retort('train', '--resume', 'first');
  expect([again.code, again.err]).toEqual([0, '']);
  expect(again.out).toMatch(
    /first is finished, after 2 epochs: there is nothing to train; the student is first\/student/,
  );
  expect(again.out).toMatch(/more epochs: node \S*dist\/cli\/main\.js train --resume first --epochs N/);
  expect(again.out).not.toMatch(/resuming|step/);
  expect(bytes('first/student.safetensors')).toBe(student);

  const more = retort('train', '--resume', 'first', '--epochs', '4', '--cfg-options', 'optimizer.momentum=0.5');
  expect(more.out).toMatch(/resuming at epoch 3 of 4, step 1 of 2/);
  expect(more.out).toMatch(/note optimizer.momentum: 0.5 asked for, it was 0.9/);
  expect(more.out).toMatch(/note epochs: 4 asked for, it was 2/);
  expect(more.out).toMatch(/resumed: momentum is 0.5, it was 0.9/);
  // The rates are those of a cosine over four epochs, not what is left of one over two.
  const rates = logged('first').filter(({ step }) => step === 2);
  expect(rates.map(({ lr }) => Number(lr.toFixed(6)))).toEqual([0.1, 0.05, 0.05, 0.014645]);
  // What was asked for holds for the next resume.
  expect(retort('train', '--resume', 'first').out).toMatch(/finished, after 4 epochs/);
  expect(steps('first')).toEqual([1, 2, 3, 4].flatMap((epoch) => [`${epoch}.1`, `${epoch}.2`, `${epoch}.0`]));
  const record = JSON.parse(readFileSync(join(folder, 'first/run.json'), 'utf8')) as { config: string; epochs: number };
  expect([record.epochs, record.config]).toEqual([4, join(folder, 'first.json')]);

  const other = write('other.json', {
    ...config,
    model: { ...config.model, architecture: tinyNetwork(6) },
    epochs: 1,
    seed: 3,
  });
  const refused = retort('train', other, '--work-dir', 'first', '--resume');
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/cannot resume the run as requested:/);
  for (const reason of [
    /model.architecture.backbone.baseChannels: 6 asked for, it was 4/,
    /seed: 3 asked for, it was 0/,
    /tensors of the networks have another shape/,
    /epochs: 1 asked for, but 4 are done/,
  ]) {
    expect(refused.err).toMatch(reason);
  }
  expect(retort('train', '--resume', 'first', '--work-dir', 'elsewhere').err).toMatch(
    /a run goes on in its own folder, first/,
  );
});

it('says what is wrong with the record of a run', () => {
  for (const text of [
    'null',
    '[]',
    '{}',
    '{"config":5}',
    '{"config":"c.json","cfgOptions":5}',
    '{"config":"c","seed":"abc"}',
    '{',
    '',
  ]) {
    write('broken/run.json', text);
    const { code, err } = retort('train', '--resume', 'broken');
    expect(code, text).toBe(1);
    expect(err, text).toMatch(
      /^error .*broken\/run.json is not a record of a run[^]*\n {2}help: name the config again: node \S*dist\/cli\/main\.js train CONFIG/,
    );
    expect(err, text).not.toMatch(/\n {4}at |node:/);
  }
  write('broken/run.json', '{"config":"gone.ts"}');
  expect(retort('train', '--resume', 'broken').err).toMatch(/its config .*gone.ts is gone/);
});

it('runs no script that is not the one of the run', () => {
  write('script.mjs', `export default ${JSON.stringify(config)};\n`);
  // A config with a built network cannot be recorded as data: the script itself is run again.
  const models = new URL('../dist/models/index.js', import.meta.url).href;
  const own = JSON.stringify({ ...config, model: undefined });
  write(
    'live.mjs',
    `import { buildModel } from ${JSON.stringify(models)};
const architecture = buildModel(${JSON.stringify(tinyNetwork(4))});
export default { ...${own}, model: { type: 'Supervised', architecture } };
`,
  );
  expect(retort('train', 'live.mjs', '--no-probe', '--work-dir', 'live').err).toBe('');
  expect(existsSync(join(folder, 'live/config.json'))).toBe(false);
  expect(retort('train', '--resume', 'live').out).toMatch(/finished/);
  appendFileSync(join(folder, 'live.mjs'), `\nprocess.stdout.write('it was run');\n`);
  for (const command of [
    ['train', '--resume', 'live'],
    ['test', 'live'],
  ]) {
    const { out, err, code } = retort(...command);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(
      /live.mjs would be run as code, and it has changed since the run was started\n {2}help: .*--allow-scripts/,
    );
  }
  expect(retort('train', '--resume', 'live', '--allow-scripts').out).toMatch(/it was run[^]*finished/);
  const record = JSON.parse(readFileSync(join(folder, 'live/run.json'), 'utf8')) as object;
  write('foreign/run.json', { ...record, config: join(folder, 'script.mjs') });
  expect(retort('train', '--resume', 'foreign').err).toMatch(
    /script.mjs would be run as code, and it is not a script of that run/,
  );
  // A folder cannot vouch for a script that it brings along: paths that are not absolute do not count.
  const hash = createHash('sha256')
    .update(readFileSync(join(folder, 'script.mjs')))
    .digest('hex');
  write('foreign/run.json', { ...record, config: 'script.mjs', scripts: { 'script.mjs': hash } });
  expect(retort('train', '--resume', 'foreign').err).toMatch(
    /script.mjs would be run as code, and it is not a script of that run/,
  );
  write('foreign/config.json', { ...config, imports: [join(folder, 'script.mjs')] });
  expect(retort('train', '--resume', 'foreign').err).toMatch(
    /script.mjs would be run as code, and it is not a script of that run/,
  );
});

/** Starts training, and does something when the first step has been made; waits until it has ended. */
async function whileTraining(run: string, act: (child: ReturnType<typeof spawn>) => void): Promise<Outcome> {
  const child = spawn(process.execPath, [main, 'train', write('long.json', long), '--no-probe', '--work-dir', run], {
    cwd: folder,
  });
  let [out, err, acted] = ['', '', false];
  child.stderr.on('data', (chunk: Buffer) => (err += String(chunk)));
  child.stdout.on('data', (chunk: Buffer) => {
    out += String(chunk);
    if (!acted && (acted = /step +1\//.test(out))) act(child);
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, out, err };
}

it.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s saves, says how to go on, and ends with %i', async (signal, expected) => {
  const { code, out, err } = await whileTraining(signal, (child) => {
    child.kill(signal);
    if (signal === 'SIGHUP') child.kill(signal); // shells send it twice
  });
  expect([code, err]).toEqual([expected, '\nfinishing the step and saving; again to quit at once\n']);
  expect(out).toMatch(new RegExp(`go on with\\n {2}node \\S*dist/cli/main\\.js train --resume ${signal}\\n`));
  expect(readdirSync(join(folder, signal))).toContain('training.safetensors');
  expect(readdirSync(join(folder, signal))).not.toContain('run.lock');
});

it('a folder in use is named with the process; one that was killed leaves no obstacle', async () => {
  let meanwhile: Outcome | undefined;
  let pid: number | undefined;
  await whileTraining('busy', (child) => {
    ({ pid } = child);
    meanwhile = retort('train', 'long.json', '--no-probe', '--work-dir', 'busy');
    child.kill('SIGKILL');
  });
  expect(meanwhile!.code).toBe(1);
  expect(meanwhile!.err).toMatch(
    new RegExp(`error busy is in use: process ${pid} on .* has been training there since \\d{4}-`),
  );
  const short = ['--epochs', '1', '--cfg-options', 'trainData.dataset.samples=16'];
  const after = retort('train', 'long.json', '--no-probe', '--work-dir', 'busy', ...short);
  expect(after.out).toMatch(new RegExp(`note process ${pid}, which was training in busy, has ended without a word`));
  expect(after.code === 0 || /already holds a run/.test(after.err)).toBe(true);
});

it('training goes on when nobody reads what it prints, or the disk has no room for it', () => {
  write('pipe.json', config);
  const head = bash('retort train pipe.json --no-probe --work-dir head | head -1');
  expect(head.code).toBe(0);
  expect(head.err).not.toMatch(/EPIPE|Unhandled| at /);
  const full = bash('retort train pipe.json --no-probe --work-dir full > /dev/full');
  expect([full.code, full.err]).toEqual([
    0,
    'note standard output cannot be written (ENOSPC): training goes on without it\n',
  ]);
  const closed = bash('retort train pipe.json --no-probe --work-dir closed >&- 2>&-');
  expect(closed.code).toBe(0);
  for (const run of ['head', 'full', 'closed']) expect(steps(run)).toHaveLength(6);
});

it('Ctrl-C that ends the reader too says how to go on where it still can', () => {
  write('long.json', long);
  const started = `( exec ${process.execPath} ${main} train long.json --no-probe --work-dir tee | tee tee.log ) & `;
  const stop = 'until grep -q step tee.log 2>/dev/null; do sleep 0.1; done; kill -INT -- -$!; wait $!';
  const { err } = bash(`set -m; ${started}${stop}`);
  expect(err).toMatch(/stopped and saved; go on with\n {2}node \S*dist\/cli\/main\.js train --resume tee\n/);
});

it('other commands are quiet when their reader is gone', () => {
  for (const line of ['retort list | head -1', 'retort config print pipe.json | true', 'retort --help | true']) {
    const { code, err } = bash(line);
    expect([line, code, err]).toEqual([line, 0, '']);
  }
  const full = bash('retort list > /dev/full');
  expect(full.code).toBe(1);
  expect(full.err).toMatch(/^error standard output cannot be written: ENOSPC/);
});

it("an error in a person's own file names the file; a fault of ours says that it is one", () => {
  write(
    'throws.ts',
    'const x: number = 3;\nfunction f(): never {\n  throw new TypeError(`mine ${x}`);\n}\nexport default f();\n',
  );
  const own = retort('config', 'check', 'throws.ts');
  expect(own.code).toBe(1);
  expect(own.err).toMatch(/throws.ts:3:9: TypeError: mine 3/);
  expect(own.err).not.toMatch(/node:internal| at |fault of Retort/);
  write(
    'late.mjs',
    "setTimeout(() => { throw new Error('late'); }); await new Promise((done) => setTimeout(done, 5000)); export default {};\n",
  );
  expect(retort('config', 'check', 'late.mjs').err).toMatch(/late.mjs:1:\d+: late/);
});

it('tests the student of a run, also where its teacher is an earlier stage', () => {
  const { model, ...rest } = config;
  const second = {
    _delete_: true,
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: { type: 'FromStage', stage: 'assistant' },
    distiller: logitsDistiller(),
  };
  const stages = [
    { name: 'assistant', model },
    { name: 'student', model: second },
  ];
  const file = write('chain.json', { ...rest, stages });
  expect(retort('train', file, '--no-probe', '--work-dir', 'chain').err).toBe('');
  const read = ({ out, err }: Outcome): Record<string, { accuracy?: number; agreement?: number }> => {
    expect(err).toBe('');
    const found = JSON.parse(out) as Record<string, { accuracy?: number; latency?: number }>;
    for (const network of Object.values(found)) delete network.latency; // it is not the same twice
    return found;
  };
  const student = read(retort('test', file, 'chain/student/student.safetensors', '--json'));
  expect(Object.keys(student)).toEqual(['student']);
  expect(read(retort('test', 'chain', '--json'))).toEqual(student);
  const both = read(retort('test', 'chain', '--json', '--teacher', '--agreement'));
  expect(both['student']).toEqual(student['student']);
  expect(both['teacher']).toEqual(read(retort('test', 'chain', '--stage', 'assistant', '--json'))['student']);
  expect(both['student and teacher']!.agreement).toBeGreaterThanOrEqual(0);
  const lacking = retort('test', file, 'chain/student/student.safetensors', '--teacher');
  expect(lacking.err).toMatch(
    /the teacher is a network of stage "assistant", .*\n {2}help: .*node \S*dist\/cli\/main\.js test RUN --teacher/,
  );
  expect(retort('test', file).err).toMatch(/name the checkpoint too, or the folder of a run/);
  expect(retort('test', 'chain', '--stage', 'assistant', '--agreement').err).toMatch(/agreement: chain has no teacher/);
  // The teacher's checkpoint need not be there for the student to be measured.
  const gone = { ...second, teacher: tinyNetwork(6), teacherCkpt: 'gone.safetensors' };
  const alone = write('alone.json', { ...rest, model: { ...gone, _delete_: undefined } });
  expect(read(retort('test', alone, 'chain/student/student.safetensors', '--json'))).toEqual(student);
  // A stage that a later one went on from cannot be made longer.
  expect(retort('train', '--resume', 'chain', '--epochs', '3').err).toMatch(
    /stage assistant: epochs: 3 asked for, it was 2, and stage student has begun with what it was then/,
  );
});

it('runs are listed and put side by side; output can be plain, piped, without colors', () => {
  const file = write('listed/config.json', config);
  const plain = bash(`retort train ${file} --no-probe --plain --work-dir listed/one | tee listed/log.txt`);
  expect(plain).toMatchObject({ code: 0, err: '' });
  expect(plain.out).toMatch(/\| epoch +\| +loss \|/);
  for (const control of ['\u001b', '\r']) expect(plain.out).not.toContain(control);
  expect(readFileSync(join(folder, 'listed/log.txt'), 'utf8')).toBe(plain.out);
  for (const seed of ['3', '4']) {
    const args = [
      '--no-probe',
      '--seed',
      seed,
      '--work-dir',
      `listed/seed-${seed}`,
      '--cfg-options',
      'optimizer.lr=0.01',
    ];
    expect(retort('train', file, ...args).code).toBe(0);
  }
  const listed = retort('runs', 'listed');
  expect(listed.out).toMatch(/\| listed\/one +\| finished \|.*\| +2\/2 \|.*student\.accuracy \d+\.\d\d% \(epoch \d\)/);
  const found = JSON.parse(retort('runs', 'listed', '--json').out) as { folder: string; state: string }[];
  expect(found.map((one) => [one.folder, one.state])).toEqual(
    ['listed/one', 'listed/seed-3', 'listed/seed-4'].map((name) => [name, 'finished']),
  );
  const compared = retort('compare', 'listed/one', 'listed/seed-3', 'listed/seed-4').out;
  expect(compared).toMatch(/\| config +\| +one \| +seed-3 \(2 runs\) \|/);
  expect(compared).toMatch(/\| optimizer\.lr +\| +0\.1 \| +0\.01 \|/);
  expect(compared).toMatch(/\| student\.accuracy +\| +\d+\.\d\d% \| +\d+\.\d\d% ± \d/);
  const { differences } = JSON.parse(retort('compare', 'listed', '--json').out) as { differences: object };
  expect(differences).toEqual({ 'optimizer.lr': [0.1, 0.01] });
  const refused = retort('compare', 'listed/one', 'listed/nothing');
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/listed\/nothing/);
});
