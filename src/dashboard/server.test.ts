// The dashboard's server: who is let in, what it gives away, and what those who listen are told.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import type { ClientRequest, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import type { RunList, SeriesAnswer, StageDetails } from './api.ts';
import { serveDashboard, writeReport } from './index.ts';
import type { Dashboard } from './index.ts';

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);
const step = (n: number): string =>
  `${JSON.stringify({
    ...{ kind: 'step', time: new Date(Date.UTC(2026, 0, 1) + n).toISOString(), step: n, epoch: 1, epochStep: n },
    ...{ losses: { loss: 1 / n }, lr: 0.1, images: 8, imagesPerSecond: 100, memory: 1000, seconds: n },
  })}\n`;

let folder = '';
let served: Dashboard;
const at = (...parts: string[]): string => join(folder, 'runs', ...parts);

function makeRun(name: string): void {
  mkdirSync(at(name, 'vis', 'layer'), { recursive: true });
  writeFileSync(at(name, 'metrics.jsonl'), step(1) + step(2));
  writeFileSync(at(name, 'vis', 'layer', 'sample-0-epoch-001.png'), png);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-server-'));
  makeRun('kd');
  writeFileSync(join(folder, 'secret.png'), png);
  served = await serveDashboard({ folder: at(), port: 0, interval: 10 });
});
afterEach(async () => {
  await served.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}
interface Asked {
  method?: string;
  headers?: OutgoingHttpHeaders;
  /** Whether it has the token's cookie. */
  known?: boolean;
}

const cookie = (): string => `retort-token-${served.port}=${new URL(served.url).searchParams.get('token')!}`;

/** Asks with the path as it is: `fetch` would tidy it up. */
function ask(path: string, { method = 'GET', headers = {}, known = true }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const all = { ...(known ? { cookie: cookie() } : {}), ...headers };
    const sent = request({ host: '127.0.0.1', port: served.port, path, method, headers: all }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    sent.on('error', reject).end();
  });
}

async function get<T>(path: string): Promise<T> {
  const { status, body } = await ask(path);
  expect([status, body]).toEqual([200, expect.anything()]);
  return JSON.parse(body) as T;
}

/** Listens to events until `enough` says so. */
function listen(
  enough: (text: string) => boolean,
  headers: OutgoingHttpHeaders = {},
): { text: Promise<string>; open: Promise<void> } {
  let opened = (): void => undefined;
  const open = new Promise<void>((resolve) => (opened = resolve));
  const text = new Promise<string>((resolve, reject) => {
    const all = { cookie: cookie(), ...headers };
    const sent: ClientRequest = request(
      { host: '127.0.0.1', port: served.port, path: '/api/events', headers: all },
      (response) => {
        let heard = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          heard += piece;
          opened();
          if (!enough(heard)) return;
          resolve(heard);
          sent.destroy();
        });
      },
    );
    sent.on('error', reject).end();
  });
  return { text, open };
}
const lastId = (text: string): number => Number(/[^]*^id: (\d+)$/m.exec(text)![1]);

it('lets in who has the token, and takes it out of the address', async () => {
  const { pathname, search, hostname } = new URL(served.url);
  expect(hostname).toBe('127.0.0.1');
  expect(search.length).toBeGreaterThanOrEqual('?token='.length + 22); // 128 bits
  const first = await ask(pathname + search, { known: false });
  expect(first).toMatchObject({ status: 303, headers: { location: '/' } });
  expect(first.headers['set-cookie']).toEqual([`${cookie()}; HttpOnly; SameSite=Strict; Path=/`]);
  for (const path of ['/', '/dashboard.js', '/api/runs', '/api/events', '/picture?id=kd&file=x.png']) {
    const refused = await ask(path, { known: false });
    expect([path, refused.status, refused.body]).toEqual([path, 403, expect.stringContaining('token')]);
    expect(refused.headers['set-cookie']).toBeUndefined();
  }
  const wrong = { headers: { cookie: `retort-token-${served.port}=${'x'.repeat(32)}` }, known: false };
  expect((await ask('/api/runs', wrong)).status).toBe(403);
  expect((await ask(`/?token=${'x'.repeat(32)}`, { known: false })).status).toBe(403);
  expect((await ask('/?token=', { known: false })).status).toBe(403);
});

it('answers neither to other names nor to other sites', async () => {
  const { port } = served;
  for (const host of [`evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`, `127.0.0.1.evil.example:${port}`]) {
    expect([host, (await ask('/api/runs', { headers: { host } })).status]).toEqual([host, 403]);
  }
  for (const origin of ['https://evil.example', 'null', `http://localhost:${port + 1}`, `https://127.0.0.1:${port}`]) {
    expect([origin, (await ask('/api/runs', { headers: { origin } })).status]).toEqual([origin, 403]);
  }
  for (const name of ['127.0.0.1', 'localhost', '[::1]']) {
    const headers = { host: `${name}:${port}`, origin: `http://${name}:${port}` };
    expect((await ask('/api/runs', { headers })).status).toBe(200);
  }
});

it('only reads', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    expect([method, (await ask('/api/runs', { method })).status]).toEqual([method, 405]);
  }
  expect(await ask('/api/runs', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  const before = [readdirSync(at('kd')), statSync(at('kd')).mtimeMs];
  for (const path of ['/', '/api/runs', '/api/series?ids=kd', '/api/details?id=kd', '/api/compare?ids=kd'])
    await ask(path);
  expect([readdirSync(at('kd')), statSync(at('kd')).mtimeMs]).toEqual(before);
});

it('forbids the page everything that comes from elsewhere', async () => {
  for (const path of ['/', '/api/runs', '/nothing']) {
    const { headers } = await ask(path);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  }
});

it('gives no file but those that a run lists', async () => {
  const picture = (id: string, file: string): string => `/picture?${new URLSearchParams({ id, file }).toString()}`;
  const listed = 'vis/layer/sample-0-epoch-001.png';
  expect(await ask(picture('kd', listed))).toMatchObject({ status: 200, headers: { 'content-type': 'image/png' } });
  symlinkSync(join(folder, 'secret.png'), at('kd', 'vis', 'layer', 'sample-1-epoch-001.png'));
  makeRun('linked');
  rmSync(at('linked', 'vis'), { recursive: true });
  symlinkSync(at('kd', 'vis'), at('linked', 'vis'));
  await get('/api/runs');
  const refused: readonly [string, string][] = [
    ['kd', '../../secret.png'],
    ['kd', 'vis/../vis/layer/sample-0-epoch-001.png'],
    ['kd', join(folder, 'secret.png')],
    ['kd', 'metrics.jsonl'],
    ['kd', 'vis/layer/sample-1-epoch-001.png'],
    ['kd', `${listed}\u0000`],
    ['linked', listed],
    ['..', 'secret.png'],
    ['kd/../kd', listed],
  ];
  for (const [id, file] of refused) {
    expect([id, file, (await ask(picture(id, file))).status]).toEqual([id, file, 404]);
  }
  for (const path of ['/../package.json', '/%2e%2e/index.js', '/..%2f..%2fpackage.json', '/server.js']) {
    expect([path, (await ask(path)).status]).toEqual([path, 404]);
  }
});

it('shows no file that a link in a run leads to', async () => {
  writeFileSync(join(folder, 'secret.txt'), 'private words');
  symlinkSync(join(folder, 'secret.txt'), at('kd', 'config.txt'));
  symlinkSync(join(folder, 'secret.txt'), at('kd', 'profile.json'));
  await get<RunList>('/api/runs');
  const details = await get<StageDetails>('/api/details?id=kd');
  expect(details.config).toBeUndefined();
  expect(details.problems.join('\n')).toMatch(/config\.txt[^]*profile\.json/);
  expect(JSON.stringify(details)).not.toContain('private words');
});

it('shows nothing that no page would stand, and says so', async () => {
  const profile = at('kd', 'profile.json');
  writeFileSync(profile, '');
  truncateSync(profile, 64 * 2 ** 20 + 1);
  const listed = 'vis/layer/sample-0-epoch-001.png';
  truncateSync(at('kd', listed), 64 * 2 ** 20 + 1);
  await get<RunList>('/api/runs');
  const details = await get<StageDetails>('/api/details?id=kd');
  expect(details.profile).toBeUndefined();
  expect(details.problems.join('\n')).toMatch(/profile\.json has 64\.0 MiB/);
  expect((await ask(`/picture?id=kd&file=${encodeURIComponent(listed)}`)).status).toBe(400);
});

it('says what is wrong with a question', async () => {
  const wrong = [
    '',
    '?ids=',
    '?ids=kd&axis=color',
    '?ids=kd&points=1',
    '?ids=kd&points=1e9',
    '?ids=kd&from=x',
    '?ids=%25',
  ];
  for (const query of wrong) {
    expect([query, (await ask(`/api/series${query}`)).status]).toEqual([query, 400]);
  }
  expect((await ask('/api/series?ids=none')).status).toBe(404);
  expect((await ask('/api/details?id=none')).status).toBe(404);
  expect((await ask('//')).status).toBe(400);
});

it('tells of what is appended and of new runs, without being asked', async () => {
  const grown = listen((text) => text.includes('"stages":["kd"]'));
  await grown.open;
  await get<RunList>('/api/runs');
  appendFileSync(at('kd', 'metrics.jsonl'), step(3) + step(4).slice(0, 20));
  await grown.text;
  const { steps } = await get<SeriesAnswer>('/api/series?ids=kd');
  expect(steps).toMatchObject({ x: [1, 2, 3], reduced: false });
  const fresh = listen((text) => text.includes('"new"'));
  await fresh.open;
  makeRun('new');
  await fresh.text;
  expect((await get<RunList>('/api/runs')).runs.map(({ id }) => id).toSorted()).toEqual(['kd', 'new']);
});

it('tells who comes back what was missed', async () => {
  await get<RunList>('/api/runs');
  const { revision } = await get<RunList>('/api/runs');
  makeRun('meanwhile');
  await get<RunList>('/api/runs');
  const { text } = listen((heard) => heard.includes('event: change'), { 'last-event-id': String(revision) });
  const heard = await text;
  expect(heard).toContain('"meanwhile"');
  expect(lastId(heard)).toBeGreaterThan(revision);
  // of another server, that had seen more: everything may have changed
  const other = await listen((all) => all.includes('event: change'), { 'last-event-id': '100000' }).text;
  expect(other).toContain('"kd"');
});

it('notices that a run was killed, which changes no file', async () => {
  const trainer = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const ended = once(trainer, 'exit');
  const owner = { pid: trainer.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(at('kd', 'run.lock'), JSON.stringify(owner));
  const state = async (): Promise<string> => (await get<RunList>('/api/runs')).runs[0]!.state;
  expect([await state(), await state()]).toEqual(['running', 'running']);
  trainer.kill('SIGKILL');
  await ended;
  expect(await state()).not.toBe('running');
});

it('ends at once, open pages too', async () => {
  const { open, text } = listen(() => false);
  text.catch(() => undefined); // the connection is cut
  await open;
  await served.close();
  await expect(ask('/api/runs')).rejects.toThrow('ECONNREFUSED');
});

it('shows what can be read of damaged runs', async () => {
  writeFileSync(at('kd', 'predictions.json'), '{"version": 1,');
  writeFileSync(at('kd', 'profile.json'), '[]');
  appendFileSync(at('kd', 'metrics.jsonl'), 'no record\n');
  await get<RunList>('/api/runs');
  const details = await get<StageDetails>('/api/details?id=kd');
  expect(details.problems.join('\n')).toMatch(/predictions\.json[^]*profile\.json/);
  expect(details.maps).toHaveLength(1);
  expect((await get<SeriesAnswer>('/api/series?ids=kd')).steps.x).toEqual([1, 2]);
});

it('refuses folders that are not there, and ports that are taken', async () => {
  await expect(serveDashboard({ folder: at('none') })).rejects.toThrow(refusal('not-found', at('none')));
  await expect(writeReport(at('none'), join(folder, 'r.html'))).rejects.toThrow(refusal('not-found', at('none')));
  mkdirSync(join(folder, 'empty'));
  const empty = writeReport(join(folder, 'empty'), join(folder, 'r.html'));
  await expect(empty).rejects.toThrow(refusal('not-found', join(folder, 'empty')));
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  await expect(serveDashboard({ folder: at(), port })).rejects.toThrow(refusal('file-system', port, '--port'));
  other.close();
});
