/**
 * Makes two CommonJS bundles in dist/cli, because Node starts CommonJS sooner than ES modules, and finds few files sooner than hundreds:
 * `sluice.cjs` with what `sluice affected` loads (that command is over before the program would be loaded), and `program.cjs` with every
 * other command in a part of its own, loaded when it is asked for. The control plane stays in the ES modules that tsc made.
 * `make build` does it after tsc.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { build, type BuildOptions, type Metafile, type OutputFile, type Plugin, transform } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
/** Where tsc has put main.js, or the folder that is named. */
const OUT = process.argv[2] ?? join(ROOT, 'dist', 'cli');
/** The bundles and their parts. */
const PART = /^(sluice|program)(-.*)?\.cjs$/;
/** What `sluice affected` loads at first. */
const QUICK = 'src/cli/quick-affected.ts';
/** They ask where they lie, or are the control plane: they stay among the ES modules, and CommonJS imports them when it calls them. */
const STAYING: Readonly<Record<string, string>> = {
  'src/compose/control-plane.ts': '../compose/control-plane.js',
  'src/compose/backups.ts': '../compose/backups.js',
  'src/compose/migrations.ts': '../compose/migrations.js',
  'src/config/load/import-config.ts': '../config/load/import-config.js',
};

/** `replaced`: source file → its place, for what is not part of this bundle. */
function places(replaced: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'places',
    setup(within) {
      within.onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, importer }) => {
        const place = replaced[relative(ROOT, join(dirname(importer), path))];
        return place === undefined ? null : { path: place, external: true };
      });
      // Messages in other languages than ours, a third of it all.
      within.onLoad({ filter: /zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({ contents: "export { default as en } from './en.js';" }));
    },
  };
}

const options = {
  absWorkingDir: ROOT,
  outdir: OUT,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // It reads a file beside itself.
  external: ['libpg-query'],
  legalComments: 'eof',
  write: false,
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

for (const name of readdirSync(OUT)) if (PART.test(name)) rmSync(join(OUT, name));
await bundleAffected();
await bundleProgram();

async function bundleAffected(): Promise<void> {
  const replaced = places({ ...STAYING, 'src/cli/main.ts': './program.cjs' });
  const own = { ...options, entryPoints: { sluice: 'src/cli/sluice.ts' }, chunkNames: 'sluice-[name]-[hash]' };
  const later = new Set(
    Object.values((await build({ ...own, plugins: [replaced] })).metafile.inputs).flatMap(({ imports }) =>
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
  await write(await build({ ...own, plugins: [replaced, together] }));
}

async function bundleProgram(): Promise<void> {
  const entryPoints = { program: 'src/cli/main.ts' };
  await write(await build({ ...options, entryPoints, chunkNames: 'program-[name]-[hash]', plugins: [places(STAYING)] }));
}

/** Makes CommonJS of what was built, and writes it. @throws where a module asks where it lies, and would be elsewhere. */
async function write({
  outputFiles,
  metafile,
}: {
  readonly outputFiles: readonly OutputFile[];
  readonly metafile: Metafile;
}): Promise<void> {
  const moved = Object.keys(metafile.inputs).filter((file) => file.startsWith('src/'));
  const lost = moved.filter((file) => /import\.meta\b(?!\.dirname)/.test(readFileSync(join(ROOT, file), 'utf8')));
  if (lost.length > 0) throw new Error(`${lost.join(', ')}: asks where it lies, and would be elsewhere.`);
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
    const required = code.replaceAll(/\bimport\(("\.\/(?:sluice|program)[^"]*")\)/g, 'Promise.resolve().then(()=>require($1))');
    writeFileSync(path, required, { mode: basename(path) === 'sluice.cjs' ? 0o755 : 0o644 });
  }
}
