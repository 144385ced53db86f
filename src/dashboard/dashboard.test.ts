// What the page shows of real runs, and a report of them: lists, curves, details, pictures.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyNetwork } from '../../test/networks.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';
import { run } from '../runner/index.ts';
import { writeReport } from './index.ts';
import { RunStore } from './run-store.ts';

let folder = '';
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-dashboard-'));
  const model = {
    ...{ type: 'SingleTeacherDistill', architecture: tinyNetwork(4), teacher: tinyNetwork(6) },
    distiller: logitsDistiller(),
  };
  const map = {
    recorders: { s: { type: 'ModuleOutputs', source: 'student.backbone.layer1' } },
    mappings: { map: { recorder: 's' } },
  };
  const hooks = [{ type: 'VisualizationHook', ...map }];
  for (const seed of [0, 1]) {
    const config = tinyExperiment({ model, epochs: 2, agreement: true, seed, hooks });
    await run(config, { workDir: at('runs', `kd-${seed}`), profile: true, progress: { step() {}, line() {} } });
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

it('lists runs, with seeds as a group, and gives curves and details', async () => {
  const store = new RunStore(at('runs'));
  await store.update();
  const { runs } = store.list();
  expect(runs.map(({ name, state, seed, group }) => [name, state, seed, group])).toEqual([
    ['kd-0', 'finished', 0, 0],
    ['kd-1', 'finished', 1, 0],
  ]);
  const [stage] = runs[0]!.stages;
  expect(stage).toMatchObject({ id: 'kd-0', epoch: 2, epochs: 2 });
  expect(stage!.names).toEqual(expect.arrayContaining(['losses.loss', 'lr']));
  const { steps, evaluations } = store.series(['kd-0', 'kd-1'], 'epoch', { points: 100 });
  expect(steps.x.at(-1)).toBe(2);
  expect(Object.keys(steps.series)).toEqual(['kd-0', 'kd-1']);
  expect(evaluations.series['kd-1']!['agreement.cka']!.mean).toHaveLength(2);
  const details = store.details('kd-0');
  expect(details.predictions!.pair).toEqual(['student', 'teacher']);
  expect(details.profile!.parts.map(({ name }) => name)).toContain('student');
  expect(details.maps[0]!.pictures.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
  expect(details.config).toContain('SingleTeacherDistill');
  for (const { file } of details.maps[0]!.pictures) expect(store.picture('kd-0', file)).toBe(at('runs', 'kd-0', file));
  expect(store.comparison(['kd-0', 'kd-1']).groups).toHaveLength(1);
});

it('shows a broken file as such, and forgets a run that is gone', async () => {
  cpSync(at('runs', 'kd-0'), at('runs', 'broken'), { recursive: true });
  writeFileSync(at('runs', 'broken', 'predictions.json'), '{');
  writeFileSync(at('runs', 'broken', 'profile.json'), '[]');
  const store = new RunStore(at('runs'));
  await store.update();
  const { problems, predictions } = store.details('broken');
  expect(predictions).toBeUndefined();
  expect(problems.map((text) => /predictions|profile/.exec(text)?.[0])).toEqual(['predictions', 'profile']);
  rmSync(at('runs', 'broken'), { recursive: true });
  expect(await store.update()).toBe(true);
  expect(() => store.details('broken')).toThrow(refusal('not-found', 'broken'));
});

it('a report is one file without anything from elsewhere, and hides nothing of a hostile name', async () => {
  cpSync(at('runs'), at('sent'), { recursive: true });
  cpSync(at('runs', 'kd-0'), at('sent', '<script>alert(1)<'), { recursive: true });
  const { runs, bytes } = await writeReport(at('sent'), at('report.html'));
  const html = readFileSync(at('report.html'), 'utf8');
  expect([runs, bytes]).toEqual([3, Buffer.byteLength(html)]);
  expect(html).not.toContain('<script>alert');
  expect(html).not.toMatch(/(src|href)="(?!data:)/);
  expect(html.match(/data:image\/png;base64,/g)!.length).toBeGreaterThan(3);
  expect(await refusedWith(writeReport(at('sent', 'none'), at('x.html')))).toEqual(refusal('not-found', 'none'));
  mkdirSync(at('empty'));
  expect(await refusedWith(writeReport(at('empty'), at('x.html')))).toEqual(refusal('not-found', 'no runs'));
});
