/**
 * Makes dist/cli/sluice.cjs of src/cli/sluice.ts, with what `sluice affected` loads in few files beside it: hundreds of
 * small modules take longer to be found than to be run, and Node starts CommonJS sooner than ES modules. All other commands
 * are in the ES modules that tsc made. `make build` does it after tsc.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, type BuildOptions, type Plugin, transform } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
/** Where tsc has put main.js, or the folder that is named. */
const OUT = process.argv[2] ?? join(ROOT, 'dist', 'cli');
const ENTRY = 'src/cli/sluice.ts';
/** It and its parts, which are loaded when they are needed. */
const PART = /^sluice(-.*)?\.cjs$/;
/** The whole program, and what asks where it lies, stay where they are, among the ES modules. CommonJS can only import them when they are called. */
const STAYING = { main: './main.js', 'import-config': '../config/import-config.js' };
/** What is loaded at first. It asks too where it lies, and means the folder that all parts are in. */
const QUICK = 'src/cli/_quick.ts';

const places: Plugin = {
  name: 'places',
  setup(within) {
    for (const [name, place] of Object.entries(STAYING))
      within.onResolve({ filter: new RegExp(`^\\./${name}\\.ts$`) }, () => ({ path: place, external: true }));
    // Messages in other languages than ours, a third of it all.
    within.onLoad({ filter: /zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({ contents: "export { default as en } from './en.js';" }));
  },
};

for (const name of readdirSync(OUT)) if (PART.test(name)) rmSync(join(OUT, name));
const options: BuildOptions & { write: false; metafile: true } = {
  absWorkingDir: ROOT,
  entryPoints: { sluice: ENTRY },
  outdir: OUT,
  outExtension: { '.js': '.cjs' },
  chunkNames: 'sluice-[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  legalComments: 'eof',
  write: false,
  metafile: true,
  logLevel: 'warning',
  plugins: [places],
};
const later = new Set(
  Object.values((await build(options)).metafile.inputs).flatMap(({ imports }) =>
    imports.flatMap(({ kind, path, external }) =>
      kind === 'dynamic-import' && external !== true && path !== QUICK ? [join(ROOT, path)] : [],
    ),
  ),
);
/** What is loaded later is said to need all that is loaded at first, or that would be as many files as there are ways to share it. */
const together: Plugin = {
  name: 'together',
  setup(within) {
    within.onLoad({ filter: /\.ts$/ }, ({ path }) =>
      later.has(path) ? { contents: `import ${JSON.stringify(join(ROOT, QUICK))};\n${readFileSync(path, 'utf8')}`, loader: 'ts' } : null,
    );
  },
};
const { outputFiles, metafile } = await build({ ...options, plugins: [places, together] });

for (const { path, text } of outputFiles) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    minify: true,
    legalComments: 'eof',
    define: { 'import.meta.dirname': '__dirname' },
    logLevel: 'warning',
  });
  // A part is required, which is sooner; only what has stayed an ES module is imported.
  const required = code.replaceAll(/\bimport\(("\.\/sluice-[^"]+")\)/g, 'Promise.resolve().then(()=>require($1))');
  writeFileSync(path, required, { mode: basename(path) === 'sluice.cjs' ? 0o755 : 0o644 });
}
const moved = Object.keys(metafile.inputs).filter((file) => file !== QUICK && file.startsWith('src/'));
for (const file of moved)
  if (readFileSync(join(ROOT, file), 'utf8').includes('import.meta'))
    throw new Error(`${file} asks where it lies, and would be elsewhere.`);
