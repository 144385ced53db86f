// The page of an exported classifier in a browser: it sees in 200 real images what the student sees in Node.
import { copyFileSync, createReadStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';

import puppeteer from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FashionMnist } from '../src/data/index.ts';
import { loadStudent } from '../src/deploy/index.ts';
import { run } from '../src/runner/index.ts';
import { tidy } from '../src/torch/index.ts';
import { runCommand } from './command.ts';
import { tinyExperiment, tinyNetwork } from './networks.ts';

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const images = 200;

let folder = '';
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-page-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Stands in for onnxruntime-web on a graphics card: the first class is certain, once. */
const brokenRuntime = `let runs = 0;
export class Tensor {}
export const env = { wasm: {} };
export const InferenceSession = {
  create: async () => ({
    inputNames: ['input'],
    outputNames: ['scores'],
    run: async () => {
      if (++runs > 1) throw new Error('device lost');
      return { scores: { data: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] } };
    },
  }),
};`;

/** Serves a folder on the loopback; tells which files were asked for. */
async function serve(root: string): Promise<{ url: string; asked: string[]; close: () => void }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://127.0.0.1');
    const path = pathname === '/' ? '/index.html' : pathname;
    asked.push(path);
    const file = join(root, path);
    const found = existsSync(file);
    response.writeHead(found ? 200 : 404, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
    if (found) createReadStream(file).pipe(response);
    else response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, asked, close: () => void server.close() };
}

describe.runIf(chromium !== undefined)('the page', () => {
  it('classifies as Node does', { timeout: 120_000 }, async () => {
    const data = (split: 'train' | 'test') => ({
      dataset: { type: 'FashionMnist', split },
      batchSize: 64,
      transforms: [{ type: 'Normalize', mean: [0.286], std: [0.353] }],
    });
    const head = { type: 'LinearClsHead', numClasses: 10, inChannels: 4 };
    const model = { type: 'Supervised', architecture: { ...tinyNetwork(4), head } };
    const config = tinyExperiment({
      model,
      trainData: data('train'),
      valData: data('test'),
      maxSteps: 100,
      evaluators: [],
    });
    await run(config, { workDir: at('run'), probe: false });
    const exported = runCommand(['export', at('run'), '--web', at('page')]);
    expect(exported).toMatchObject({ code: 0 });

    const test = new FashionMnist({ split: 'test' });
    const files = Array.from({ length: images }, (_, i) => at(`image-${i}.png`));
    await Promise.all(
      files.map((file, i) => {
        const pixels = tidy(() => test.images([i]).bytes());
        return sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
          .toColourspace('b-w')
          .png()
          .toFile(file);
      }),
    );
    const labels = files.map((_, i) => test.classes[test.label(i)]!);
    using student = await loadStudent(at('run'));
    const inNode = (await student.predict(files, { topk: 1 })).map(([best]) => best!);
    test[Symbol.dispose]();

    const server = await serve(at('page'));
    const browser = await puppeteer.launch({
      executablePath: chromium!,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    try {
      const page = await browser.newPage();
      const wrong: string[] = [];
      page.on('pageerror', (error) => wrong.push(String(error)));
      page.on('requestfailed', (request) => wrong.push(request.url()));
      const elsewhere: string[] = [];
      page.on('request', (request) => {
        const url = request.url();
        if (!url.startsWith(server.url) && !/^(blob|data):/.test(url)) elsewhere.push(url);
      });
      await page.goto(`${server.url}?device=wasm`);
      await page.waitForFunction("document.getElementById('status').textContent.startsWith('Ready')");
      const input = (await page.$('#files'))!;
      await (input as unknown as { uploadFile(...paths: string[]): Promise<void> }).uploadFile(...files);
      const done = `document.querySelectorAll('#results table').length === ${images}`;
      await page.waitForFunction(done, { timeout: 60_000 });
      const inPage = await page.$$eval('#results > li', (rows) =>
        rows.map((row) => [row.querySelector('th')!.textContent!, row.querySelector('td')!.textContent!] as const),
      );
      const right = (found: readonly string[]): number => found.filter((label, i) => label === labels[i]).length;
      expect(inPage.map(([label]) => label)).toEqual(inNode.map(({ label }) => label));
      expect(right(inPage.map(([label]) => label))).toBeGreaterThan(0.15 * images); // guesses get a tenth
      const shares = inPage.map(([, share]) => Number.parseFloat(share) / 100);
      shares.forEach((share, i) => expect(share).toBeCloseTo(inNode[i]!.score, 2));
      expect([wrong, elsewhere]).toEqual([[], []]);
      // what is to be pasted stands there, and everything can be reached by keyboard
      expect(await page.$eval('#code', (code) => code.textContent)).toMatch(/loadClassifier/);
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.id')).toBe('files');
      await page.screenshot({ path: at('page.png') });

      // a camera that is refused, twice, and several pictures at once
      const denied = "document.getElementById('status').textContent.startsWith('The camera cannot be used')";
      for (let i = 0; i < 2; i++) {
        await page.evaluate("document.getElementById('status').textContent = ''");
        await page.click('#camera');
        await page.waitForFunction(denied);
      }
      expect(await page.$eval('#camera', (button) => button.getAttribute('aria-pressed'))).toBe('false');
      const together = await page.evaluate(`(async () => {
        const { loadClassifier } = await import('./classify.js');
        const { classify } = await loadClassifier('./', { gpu: false });
        const image = new ImageData(28, 28);
        const answers = await Promise.all(Array.from({ length: 5 }, () => classify(image, { topk: 1 })));
        const wrong = await classify(new Blob(['no image'])).catch((error) => error.name);
        return [answers.map(({ predictions }) => predictions[0].label), wrong, (await classify(image)).predictions.length];
      })()`);
      expect(together).toEqual([Array.from({ length: 5 }, () => expect.any(String) as string), 'InvalidStateError', 5]);

      // a narrow window, a long name of a file, and the colors of the dark
      await page.setViewport({ width: 360, height: 640 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
      const long = at(`${'a'.repeat(200)}.png`);
      copyFileSync(files[0]!, long);
      await (input as unknown as { uploadFile(...paths: string[]): Promise<void> }).uploadFile(long);
      await page.waitForFunction(`document.querySelectorAll('#results table').length === ${images + 1}`);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
      expect(wrong).toEqual([]);

      // a graphics card that gives up after the first image: the second is computed on the processor
      const other = await browser.newPage();
      await other.evaluateOnNewDocument(
        "Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => ({}) } })",
      );
      await other.setRequestInterception(true);
      other.on('request', (request) => {
        if (!request.url().endsWith('ort.webgpu.min.mjs')) return void request.continue();
        return void request.respond({ contentType: 'text/javascript', body: brokenRuntime });
      });
      await other.goto(server.url);
      await other.waitForFunction("document.getElementById('status').textContent.includes('WebGPU')");
      const again = (await other.$('#files'))! as unknown as { uploadFile(...paths: string[]): Promise<void> };
      await again.uploadFile(files[0]!, files[1]!);
      await other.waitForFunction("document.querySelectorAll('#results table').length === 2", { timeout: 20_000 });
      const labelsSeen = await other.$$eval('#results > li', (rows) =>
        rows.map((row) => row.querySelector('th')!.textContent),
      );
      expect(labelsSeen).toEqual([student.classes[0], inNode[1]!.label]);
    } finally {
      await browser.close();
      server.close();
    }
    expect(readFileSync(at('page', 'index.html'), 'utf8')).toContain('lang="en"');
  });
});
