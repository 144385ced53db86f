// Draws the dashboard's pictures of docs/see.md: panels of it over a folder of runs, in headless Chromium.
//   node tools/draw-dashboard.mjs FOLDER RUN,RUN      writes docs/images/dashboard-*.png
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';
import sharp from 'sharp';

import { root } from './paths.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @type {[name: string, panel: string, width: number, height: number, scheme: 'light' | 'dark'][]} */
const pictures = [
  ['curves', 'curves', 1080, 620, 'light'],
  ['agreement', 'agreement', 1080, 420, 'light'],
  ['confusion', 'confusion', 1080, 720, 'light'],
  ['images', 'images', 1080, 560, 'dark'],
  ['phone', 'curves', 360, 720, 'dark'],
];

runTool('draw-dashboard', async () => {
  const [folder, runs] = process.argv.slice(2);
  if (folder === undefined || runs === undefined) {
    throw new ToolError('expected a folder of runs, and which of them', 'node tools/draw-dashboard.mjs runs kd,kd-2');
  }
  const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));
  if (chromium === undefined) throw new ToolError('Chromium is missing', 'apt-get install chromium');
  const { serveDashboard } = await import('../dist/dashboard/index.js');
  const dashboard = await serveDashboard({ folder, port: 0 });
  const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox'] });
  try {
    for (const [name, panel, width, height, scheme] of pictures) {
      const page = await browser.newPage();
      await page.setViewport({ width, height });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      const chosen = runs.split(',').map(encodeURIComponent).join(',');
      const query = new URLSearchParams({ panel, runs: chosen });
      await page.goto(`${dashboard.url}#${query.toString()}`);
      await page.waitForSelector('#panel h2');
      await page.waitForFunction("!document.querySelector('#panel').textContent.includes('Reading')");
      await page.waitForNetworkIdle({ idleTime: 300, concurrency: 1 }); // the stream of events stays open
      // Of few colors: a page is, and the package has these pictures inside.
      const shot = sharp(await page.screenshot()).png({ palette: true, colours: 96, effort: 10 });
      await shot.toFile(join(root, `docs/images/dashboard-${name}.png`));
      await page.close();
    }
  } finally {
    await browser.close();
    await dashboard.close();
  }
});
