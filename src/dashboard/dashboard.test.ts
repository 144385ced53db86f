// The dashboard without a browser: columns that grow with the file, points that lose no spike, who is let in and what is sent.
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyNetwork } from '../../test/networks.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';
import { run } from '../runner/index.ts';
import type { RunList, SeriesAnswer, StageDetails } from './api.ts';
import { sample } from './downsample.ts';
import { serveDashboard, writeReport } from './index.ts';
import type { Dashboard } from './index.ts';
import { MetricsIndex } from './metrics-index.ts';
import { readFileSync } from 'node:fs';

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

describe('points', () => {
  const rows = (count: number, value: (i: number) => number) => ({
    x: Float64Array.from({ length: count }, (_, i) => i + 1),
    columns: new Map([['loss', Float64Array.from({ length: count }, (_, i) => value(i))]]),
  });
  const all = (): boolean => true;

  it('are the rows themselves where there are few, over the x of all runs', () => {
    const runs = new Map([
      ['a', rows(3, (i) => i)],
      ['b', { ...rows(2, (i) => 10 * i), x: Float64Array.of(2, 4) }],
    ]);
    const { x, reduced, series } = sample(runs, all, { points: 10 });
    expect([x, reduced]).toEqual([[1, 2, 3, 4], false]);
    expect(series['a']!['loss']).toEqual({ mean: [0, 1, 2, null] });
    expect(series['b']!['loss']).toEqual({ mean: [null, 0, null, 10] });
  });

  it('keep the least and the most of what they stand for, and leave out what is no number', () => {
    const spiky = rows(100_000, (i) => (i === 54_321 ? 1000 : i === 12_345 ? -1000 : i % 7 === 0 ? Number.NaN : 1));
    const { x, reduced, series } = sample(new Map([['a', spiky]]), all, { points: 200 });
    const { mean, min, max } = series['a']!['loss']!;
    expect([x.length, reduced, mean.length]).toEqual([200, true, 200]);
    expect(Math.max(...(max as number[]))).toBe(1000);
    expect(Math.min(...(min as number[]))).toBe(-1000);
    expect(mean[0]).toBe(1);
    expect(x.every((value, i) => i === 0 || value > x[i - 1]!)).toBe(true);
    // each interval has the rows that are in it
    const [place] = [x.findIndex((value) => value > 54_322) - 1];
    expect(max!.findIndex((value) => value === 1000)).toBeGreaterThanOrEqual(place);
  });

  it('of a window show more of it, and the neighbors that lines go to', () => {
    const { x } = sample(new Map([['a', rows(100_000, (i) => i)]]), all, { from: 500, to: 510.5, points: 50 });
    expect(x).toEqual(Array.from({ length: 13 }, (_, i) => 499 + i));
    expect(sample(new Map([['a', rows(0, () => 0)]]), all, { points: 10 }).x).toEqual([]);
  });
});

describe('columns', () => {
  const line = (step: number, losses: object, epoch = 1): string =>
    JSON.stringify({
      kind: 'step',
      time: new Date(1000 * step).toISOString(),
      step,
      epoch,
      epochStep: step,
      losses,
      lr: 0.1,
    });
  const evaluation = JSON.stringify({
    ...{ kind: 'evaluation', time: new Date(5000).toISOString(), step: 2, epoch: 1 },
    metrics: { student: { accuracy: 50 } },
  });

  it('grow with the file; a torn line waits for its end; what is cut off and written again is read anew', async () => {
    mkdirSync(at('grows'));
    const path = at('grows', 'metrics.jsonl');
    const index = new MetricsIndex(at('grows'));
    expect(await index.update()).toBe(false); // there is no file yet
    writeFileSync(path, `${line(1, { loss: 3 })}\n${line(2, { loss: 2, extra: 5 }).slice(0, 30)}`);
    expect(await index.update()).toBe(true);
    expect([index.steps, index.damaged]).toEqual([1, 0]);
    appendFileSync(path, `${line(2, { loss: 2, extra: 5 }).slice(30)}\nnonsense\n${evaluation}\n`);
    await index.update();
    expect([index.steps, index.damaged, index.evaluations.length]).toEqual([2, 1, 1]);
    const { x, columns } = index.stepsBy('epoch');
    expect([[...x], [...columns.get('losses.extra')!]]).toEqual([
      [0.5, 1],
      [Number.NaN, 5],
    ]);
    expect([...index.evaluationsBy('time').x]).toEqual([4]);
    expect([...index.evaluationsBy('epoch').columns.get('student.accuracy')!]).toEqual([50]);
    expect(await index.update()).toBe(false);
    // a resumed run cuts the end off and writes more than was there
    truncateSync(path, line(1, { loss: 3 }).length + 1);
    appendFileSync(path, `${[2, 3, 4, 5, 6].map((step) => line(step, { loss: 10 })).join('\n')}\n`);
    await index.update();
    expect([index.steps, index.damaged, index.evaluations.length]).toEqual([6, 0, 0]);
    expect(index.names).toEqual(['losses.loss', 'lr']);
  });
});

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

describe('the server', () => {
  let dashboard: Dashboard;
  let cookie = '';
  /** The answer to who comes with the token. */
  let entry: Answer;
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const asked = httpRequest({ host: '127.0.0.1', port: dashboard.port, path, method, headers }, (response) => {
        let text = '';
        response.on('data', (piece: Buffer) => (text += piece.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      });
      asked.on('error', reject).end();
    });
  const own = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
    ask(path, { cookie, ...headers });
  const json = async <T>(path: string): Promise<T> => JSON.parse((await own(path)).text) as T;

  beforeAll(async () => {
    dashboard = await serveDashboard({ folder: at('runs'), port: 0, interval: 20 });
    const { pathname, search } = new URL(dashboard.url);
    entry = await ask(pathname + search);
    cookie = entry.headers['set-cookie']![0]!.split(';')[0]!;
  });
  afterAll(() => dashboard.close());

  it('lets in who has the token, by its own names, from its own pages, to read', async () => {
    const status = async (answer: Promise<Answer>): Promise<number> => (await answer).status;
    expect([entry.status, entry.headers.location]).toEqual([303, '/']);
    expect(entry.headers['set-cookie']![0]).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
    expect(await status(own('/'))).toBe(200);
    expect(await status(ask('/'))).toBe(403);
    expect(await status(ask('/?token=wrong'))).toBe(403);
    expect(await status(ask('/api/runs', { cookie: `${cookie}x` }))).toBe(403);
    expect(await status(own('/', { host: `evil.example:${dashboard.port}` }))).toBe(403);
    expect(await status(own('/', { host: `localhost:${dashboard.port}` }))).toBe(200);
    expect(await status(own('/api/runs', { origin: 'http://evil.example' }))).toBe(403);
    expect(await status(own('/api/runs', { origin: `http://127.0.0.1:${dashboard.port}` }))).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect(await status(ask('/', { cookie }, method))).toBe(405);
    expect((await ask('/', { cookie }, 'HEAD')).text).toBe('');
  });

  it('sends headers that keep others out', async () => {
    const { headers } = await own('/');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('lists runs, with seeds as a group, and answers with curves and details', async () => {
    const { runs } = await json<RunList>('/api/runs');
    expect(runs.map(({ name, state, seed, group }) => [name, state, seed, group])).toEqual([
      ['kd-0', 'finished', 0, 0],
      ['kd-1', 'finished', 1, 0],
    ]);
    const [stage] = runs[0]!.stages;
    expect(stage).toMatchObject({ id: 'kd-0', epoch: 2, epochs: 2 });
    expect(stage!.names).toEqual(expect.arrayContaining(['losses.loss', 'lr']));
    const { steps, evaluations } = await json<SeriesAnswer>('/api/series?ids=kd-0,kd-1&axis=epoch&points=100');
    expect(steps.x.at(-1)).toBe(2);
    expect(Object.keys(steps.series)).toEqual(['kd-0', 'kd-1']);
    expect(evaluations.series['kd-1']!['agreement.cka']!.mean).toHaveLength(2);
    const details = await json<StageDetails>('/api/details?id=kd-0');
    expect(details.predictions!.pair).toEqual(['student', 'teacher']);
    expect(details.profile!.parts.map(({ name }) => name)).toContain('student');
    expect(details.maps[0]!.pictures.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
    expect(details.config).toContain('SingleTeacherDistill');
    expect((await json<{ groups: unknown[] }>('/api/compare?ids=kd-0,kd-1')).groups).toHaveLength(1);
  });

  it('sends pictures that runs list, and no other file', async () => {
    const file = 'vis/map/sample-0-epoch-001.png';
    const picture = (name: string): Promise<Answer> => own(`/picture?id=kd-0&file=${encodeURIComponent(name)}`);
    expect((await picture(file)).headers['content-type']).toBe('image/png');
    for (const other of ['run.json', '../kd-1/run.json', '/etc/passwd', 'vis/map/../../run.json', 'vis/map/none.png']) {
      expect([other, (await picture(other)).status]).toEqual([other, 404]);
    }
    writeFileSync(at('secret.png'), 'secret');
    symlinkSync(at('secret.png'), at('runs', 'kd-0', 'vis', 'map', 'sample-7-epoch-001.png'));
    expect((await picture('vis/map/sample-7-epoch-001.png')).status).toBe(404);
    rmSync(at('runs', 'kd-0', 'vis', 'map', 'sample-7-epoch-001.png'));
    expect((await own('/api/details?id=../runs/kd-0')).status).toBe(404);
    expect((await own('/../package.json')).status).toBe(404);
    expect((await own('/api/series?ids=kd-0&points=1e9')).status).toBe(400);
    expect((await own('/api/series?ids=kd-0&axis=mood')).status).toBe(400);
  });

  it('says what has changed, also to who comes back', async () => {
    const events: string[] = [];
    const listening = (headers: Record<string, string>): Promise<{ close: () => void }> =>
      new Promise((resolve) => {
        const asked = httpRequest(
          { host: '127.0.0.1', port: dashboard.port, path: '/api/events', headers: { cookie, ...headers } },
          (response) => {
            response.on('data', (piece: Buffer) => events.push(piece.toString()));
            resolve({ close: () => asked.destroy() });
          },
        );
        asked.on('error', () => undefined).end();
      });
    const told = async (what: string): Promise<void> => {
      await expect.poll(() => events.join(''), { timeout: 10_000 }).toContain(what);
    };
    const first = await listening({});
    cpSync(at('runs', 'kd-0'), at('runs', 'new'), { recursive: true });
    await told('"new"');
    const [, id] = /id: (\d+)/.exec(events.join(''))!;
    first.close();
    events.length = 0;
    const last = JSON.parse(
      readFileSync(at('runs', 'kd-1', 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .at(-1)!,
    ) as object;
    appendFileSync(at('runs', 'kd-1', 'metrics.jsonl'), `${JSON.stringify({ ...last, step: 99 })}\n`);
    await own('/api/runs');
    const again = await listening({ 'last-event-id': id! });
    await told('"kd-1"');
    again.close();
    rmSync(at('runs', 'new'), { recursive: true });
  });

  it('shows a broken file as such', async () => {
    cpSync(at('runs', 'kd-0'), at('runs', 'broken'), { recursive: true });
    writeFileSync(at('runs', 'broken', 'predictions.json'), '{');
    writeFileSync(at('runs', 'broken', 'profile.json'), '[]');
    await own('/api/runs');
    const { problems, predictions } = await json<StageDetails>('/api/details?id=broken');
    expect(predictions).toBeUndefined();
    expect(problems.map((text) => /predictions|profile/.exec(text)?.[0])).toEqual(['predictions', 'profile']);
    rmSync(at('runs', 'broken'), { recursive: true });
  });

  it('ends at once, with pages open; a port that is taken is told', async () => {
    const other = await serveDashboard({ folder: at('runs'), port: 0 });
    expect(await refusedWith(serveDashboard({ folder: at('runs'), port: other.port }))).toEqual(
      refusal('file-system', other.port, 'taken', '--port 0'),
    );
    await other.close();
    expect(await refusedWith(serveDashboard({ folder: at('nothing') }))).toEqual(refusal('not-found', 'nothing'));
  });
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
