// The dashboard in a browser, over a run that goes on: what is shown grows, new runs appear, keys do what the mouse does, nothing is too
// wide for a phone, nothing that a screen reader or weak eyes could not use; and the report, without a network.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import puppeteer from 'puppeteer-core';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { serveDashboard, writeReport } from '../src/dashboard/index.ts';
import type { Dashboard } from '../src/dashboard/index.ts';
import { run } from '../src/runner/index.ts';
import { logitsDistiller, tinyExperiment, tinyNetwork } from './networks.ts';

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const panels = ['curves', 'compare', 'agreement', 'confusion', 'images', 'time', 'maps', 'config'];

let folder = '';
let browser: Browser;
let dashboard: Dashboard;
let training: ChildProcess;
const at = (...parts: string[]): string => join(folder, ...parts);
const quiet = { step() {}, line() {} };

function experiment(changes: object = {}) {
  const model = {
    ...{ type: 'SingleTeacherDistill', architecture: tinyNetwork(4), teacher: tinyNetwork(6) },
    distiller: logitsDistiller(),
  };
  const map = {
    recorders: { s: { type: 'ModuleOutputs', source: 'student.backbone.layer1' } },
    mappings: { map: { recorder: 's' } },
  };
  return tinyExperiment({
    model,
    agreement: true,
    hooks: [{ type: 'VisualizationHook', ...map, interval: 2 }],
    ...changes,
  });
}

/** Opens a page; whatever its console says against it fails the test. */
async function open(url: string, complaints: string[], width = 1200): Promise<Page> {
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.setViewport({ width, height: 800 });
  await page.goto(url);
  await page.waitForSelector('.plot canvas');
  return page;
}

const textOf = (page: Page, selector: string): Promise<string> =>
  page.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`) as Promise<string>;
const show = async (page: Page, panel: string): Promise<void> => {
  await page.click(`#tab-${panel}`);
  await page.waitForSelector(`#tab-${panel}[aria-selected="true"]`);
};

/** Waits until the panel has what it asked for. */
const read = async (page: Page): Promise<void> => {
  const text = (): Promise<unknown> => page.evaluate("document.querySelector('#panel').textContent");
  await expect.poll(text, { timeout: 10_000 }).not.toContain('Reading');
};

/** What axe finds that is serious. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return (await page.evaluate(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => id + ': ' + nodes[0].html.slice(0, 120)))`)) as string[];
}

describe.runIf(chromium !== undefined)('the dashboard', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'retort-page-'));
    await run(experiment({ epochs: 4 }), { workDir: at('runs', 'done'), profile: true, progress: quiet });
    browser = await puppeteer.launch({ executablePath: chromium!, args: ['--no-sandbox'] });
    dashboard = await serveDashboard({ folder: at('runs'), port: 0, interval: 100 });
    const trainData = {
      dataset: { type: 'SyntheticImages', samples: 512 },
      batchSize: 16,
      transforms: [{ type: 'Normalize', mean: [0.5], std: [0.25] }],
    };
    writeFileSync(at('live.json'), JSON.stringify(experiment({ trainData, epochs: 100_000, hooks: [] })));
    const command = [main, 'train', at('live.json'), '--work-dir', at('runs', 'live'), '--plain'];
    training = spawn(process.execPath, command, { stdio: 'ignore' });
  }, 60_000);
  afterAll(async () => {
    training.kill('SIGKILL');
    await once(training, 'exit');
    await dashboard.close();
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  it('follows a run that goes on, and runs that begin', { timeout: 90_000 }, async () => {
    const complaints: string[] = [];
    const page = await open(dashboard.url, complaints);
    expect(page.url()).not.toContain('token');
    await expect.poll(() => textOf(page, '.runs'), { timeout: 30_000 }).toContain('running');
    const facts = await textOf(page, '.facts');
    await expect.poll(() => textOf(page, '.facts'), { timeout: 30_000 }).not.toBe(facts);
    const loss = await textOf(page, '[aria-label="loss"] .legend');
    await expect.poll(() => textOf(page, '[aria-label="loss"] .legend'), { timeout: 30_000 }).not.toBe(loss);
    await run(experiment({ epochs: 1, seed: 5 }), { workDir: at('runs', 'later'), progress: quiet });
    await expect.poll(() => textOf(page, '.runs'), { timeout: 30_000 }).toContain('later');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is used with keys alone, and says in words what it draws', { timeout: 90_000 }, async () => {
    const page = await open(dashboard.url, []);
    const disabled = (): Promise<boolean> =>
      page.evaluate("document.querySelector('.controls button').disabled") as Promise<boolean>;
    await page.focus('[aria-label="loss"] .plot');
    expect(await disabled()).toBe(true);
    await page.keyboard.press('+');
    await expect.poll(disabled).toBe(false);
    await page.keyboard.press('0');
    await expect.poll(disabled).toBe(true);
    expect(await page.$eval('[aria-label="loss"] .plot', (plot) => plot.getAttribute('aria-label'))).toMatch(
      /^loss\. .*: from .* to .*, between/,
    );
    await page.focus('#tab-curves');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('#tab-compare[aria-selected="true"]:focus');
    await page.keyboard.press('End');
    await page.waitForSelector('#tab-config[aria-selected="true"]:focus');
    await read(page);
    expect(await textOf(page, '#panel')).toContain('SingleTeacherDistill');
    await page.close();
  });

  it('fits a phone, in light and dark, and is accessible', { timeout: 120_000 }, async () => {
    const page = await open(`${dashboard.url}#panel=curves&runs=done,live`, [], 360);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      for (const panel of panels) {
        await show(page, panel);
        await read(page);
        const [needed, there] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
          number,
          number,
        ];
        expect([panel, needed <= there]).toEqual([panel, true]);
        expect([scheme, panel, await violations(page)]).toEqual([scheme, panel, []]);
      }
    }
    const background = await page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    expect(background).toBe('rgb(20, 23, 27)');
    await page.close();
  });

  it('a report shows the same from a file, without a network', { timeout: 90_000 }, async () => {
    await writeReport(at('runs', 'done'), at('report.html'));
    const complaints: string[] = [];
    const report = await open(pathToFileURL(at('report.html')).href, complaints);
    await report.setOfflineMode(true);
    for (const panel of panels) {
      await show(report, panel);
      await read(report);
    }
    await show(report, 'maps');
    const width = (): Promise<unknown> => report.evaluate("document.querySelector('.maps img')?.naturalWidth");
    await expect.poll(width, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
    await report.close();
  });
});
