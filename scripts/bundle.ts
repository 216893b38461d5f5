/**
 * Puts what `sluice affected` loads into few files, over what tsc made of src/cli/_quick.ts: hundreds of small modules take
 * longer to be found than to be run. `make build` does it after tsc; without it the same program only starts slower.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'dist', 'cli');
const ENTRY = 'src/cli/_quick.ts';
/** Its parts that are loaded when they are needed. */
const PART = /^quick-.*\.js$/;

const places: Plugin = {
  name: 'places',
  setup(within) {
    // It asks where it lies itself, so it stays there.
    within.onResolve({ filter: /\/import-config\.ts$/ }, () => ({ path: '../config/import-config.js', external: true }));
    within.onResolve({ filter: /^[^.]/ }, ({ path, kind }) => (path === 'zod' || kind === 'entry-point' ? null : { path, external: true }));
    // Messages in other languages than ours, a third of it all.
    within.onLoad({ filter: /zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({ contents: "export { default as en } from './en.js';" }));
  },
};

for (const name of readdirSync(OUT)) if (PART.test(name)) rmSync(join(OUT, name));
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: { _quick: ENTRY },
  outdir: OUT,
  chunkNames: 'quick-[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minify: true,
  legalComments: 'eof',
  allowOverwrite: true,
  metafile: true,
  logLevel: 'warning',
  plugins: [places],
});
const moved = Object.keys(metafile.inputs).filter((file) => file !== ENTRY && file.startsWith('src/'));
for (const file of moved)
  if (readFileSync(join(ROOT, file), 'utf8').includes('import.meta'))
    throw new Error(`${file} asks where it lies, and would be elsewhere.`);
