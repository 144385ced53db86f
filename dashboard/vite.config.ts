// Builds the page into dist/dashboard/page, ahead: two files with fixed names, which the server sends and a report has inside. What it is
// made of goes along with its license.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

const bundled = ['preact', 'uplot'];

const licenses: Plugin = {
  name: 'licenses',
  generateBundle() {
    const texts = bundled.map((name) => {
      const file = fileURLToPath(new URL(`../node_modules/${name}/LICENSE`, import.meta.url));
      return `${name}\n\n${readFileSync(file, 'utf8').trim()}\n`;
    });
    this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: texts.join('\n') });
  },
};

export default defineConfig({
  plugins: [licenses],
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/dashboard/page',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: { entryFileNames: 'dashboard.js', assetFileNames: 'dashboard[extname]', codeSplitting: false },
    },
  },
});
