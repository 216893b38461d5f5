import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { cleanEnvironment } from '../../lib/clean-environment.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { Mistake } from '../validate/problems.ts';

export interface Imported {
  readonly value: unknown;
  readonly mistakes: readonly Mistake[];
}

/** Longest time a configuration may take to be read, ms. */
const TIMEOUT_MS = 30_000;

/** Our own package, whatever the workspace has installed (or not): `import { defineConfig } from 'sluice'`. */
const SELF = new URL(import.meta.url.endsWith('.ts') ? '../../index.ts' : '../../index.js', import.meta.url).href;

/**
 * What a configuration written in TypeScript or JavaScript exports, as plain data.
 *
 * It is read by a process of its own: it is fresh each time, and a configuration that never ends, ends the
 * process or breaks something global harms nobody else. The program is handed over as text, so that it
 * is the same whether Sluice runs from source or built.
 * @throws UserError `CONFIG_FAILED` | OutsideError `CONFIG_UNREADABLE`.
 */
export async function importConfig(path: string): Promise<Imported> {
  const { code, signal, result, output } = await runReader(path);
  if (signal !== null) {
    throw new UserError(
      'CONFIG_FAILED',
      `${path} was not read within ${TIMEOUT_MS / 1000} s.`,
      'A configuration should only describe; see what it waits for.',
    );
  }
  if (result === '') {
    throw new UserError(
      'CONFIG_FAILED',
      `${path} ended the program (exit code ${code}) before it was read.${output === '' ? '' : ` It said: ${output}`}`,
      'A configuration should only describe.',
    );
  }
  const answer: Answer = JSON.parse(result);
  if (!answer.ok)
    throw new UserError('CONFIG_FAILED', `${path} could not be read: ${answer.message}`, 'Correct the file; npx tsx runs it alone.');
  if (!answer.exported)
    return { value: null, mistakes: [{ path: [], message: 'exports no configuration; needed: export default defineConfig({ … }).' }] };
  return {
    value: answer.value,
    mistakes: answer.odd.map(({ path: place, found }) => ({
      path: place.map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
      message: `found ${found}; allowed: plain data only.`,
    })),
  };
}

/** What the reader process says. */
type Answer =
  | { readonly ok: true; readonly value: unknown; readonly odd: readonly { path: string[]; found: string }[]; readonly exported: boolean }
  | { readonly ok: false; readonly message: string };

interface Read {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly result: string;
  readonly output: string;
}

/**
 * What a configuration may read: it is code of the repository, and the control plane's own environment holds tokens. Further names
 * are allowed by the person who starts Sluice, because a repository must not be able to ask for them.
 */
export function configEnvironment(own: NodeJS.ProcessEnv): Record<string, string> {
  const asked = (own['SLUICE_CONFIG_ENV'] ?? '').split(',').map((name) => name.trim());
  // `HARBOUR_*` are all names that begin so; a star alone would be everything, and is nothing.
  const beginnings = asked.filter((name) => /^\w+\*$/.test(name)).map((name) => name.slice(0, -1));
  const allowed = Object.keys(own).filter((name) => asked.includes(name) || beginnings.some((beginning) => name.startsWith(beginning)));
  return cleanEnvironment(own, ['CI', 'NODE_ENV', ...allowed]);
}

function runReader(path: string): Promise<Read> {
  const data = { config: pathToFileURL(path).href, self: SELF, tsx: import.meta.resolve('tsx/esm/api') };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', READER, JSON.stringify(data)], {
      cwd: dirname(path),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      env: configEnvironment(process.env),
    });
    const result: Buffer[] = [];
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-1000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const channel = child.stdio[3];
    if (channel instanceof Readable) channel.on('data', (chunk: Buffer) => result.push(chunk));
    child.on('error', (error) =>
      reject(
        new OutsideError(
          'CONFIG_UNREADABLE',
          `No process could be started to read ${path}: ${error.message}.`,
          'See whether memory or processes have run out.',
          error,
        ),
      ),
    );
    child.on('close', (code, signal) => resolve({ code, signal, result: Buffer.concat(result).toString('utf8'), output: output.trim() }));
  });
}

/** Runs in the reader process. Its result goes to file descriptor 3, so that the configuration may print. */
const READER = String.raw`
import fs, { writeSync } from 'node:fs';
import Module, { register } from 'node:module';
import { fileURLToPath } from 'node:url';

const { config, self, tsx } = JSON.parse(process.argv[1]);

// npm, Node and this program skip a byte order mark of a package.json; tsx, which reads it in both threads, does not.
const skipMarks = (fs) => {
  const { readFileSync } = fs;
  const { readFile } = fs.promises;
  const plain = (path, text) => (typeof text === 'string' && /\.json$/.test(String(path)) ? text.replace(/^\uFEFF/, '') : text);
  fs.readFileSync = (path, ...rest) => plain(path, readFileSync(path, ...rest));
  fs.promises.readFile = async (path, ...rest) => plain(path, await readFile(path, ...rest));
};
skipMarks(fs);
const hook = 'import fs from "node:fs"; (' + String(skipMarks) + ')(fs); const self = ' + JSON.stringify(self) + ';' +
  'export async function resolve(specifier, context, next) {' +
  '  return next(specifier === "sluice" ? self : specifier, context);' +
  '}';
register('data:text/javascript,' + encodeURIComponent(hook));
// The same for require(), which loads no ES modules on every Node we support.
const load = Module._load;
Module._load = function (request, ...rest) {
  return request === 'sluice' ? { __esModule: true, defineConfig: (config) => config } : load.call(this, request, ...rest);
};

function answer(result) {
  const bytes = Buffer.from(JSON.stringify(result));
  for (let sent = 0; sent < bytes.length;) {
    try { sent += writeSync(3, bytes, sent); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
}

function findOdd(value, path, odd, above) {
  if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') { if (!Number.isFinite(value)) odd.push({ path, found: String(value) }); return; }
  if (typeof value !== 'object') { odd.push({ path, found: 'a ' + typeof value }); return; }
  if (above.includes(value)) { odd.push({ path, found: 'a reference to itself' }); return; }
  const plain = Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]' && (Object.getPrototypeOf(value) === null || Object.getPrototypeOf(Object.getPrototypeOf(value)) === null);
  if (!plain) { odd.push({ path, found: 'a ' + (value.constructor?.name ?? 'special object') }); return; }
  for (const [key, item] of Object.entries(value)) findOdd(item, [...path, key], odd, [...above, value]);
}

try {
  const { tsImport } = await import(tsx);
  const module = await tsImport(config, { parentURL: config });
  let value = module.default;
  // A file that counts as CommonJS arrives with its exports wrapped once more.
  if (value !== null && typeof value === 'object' && value.__esModule && 'default' in value) value = value.default;
  value = await value;
  const odd = [];
  findOdd(value, [], odd, []);
  answer({ ok: true, exported: value !== undefined, odd, value: odd.length === 0 ? value : null });
} catch (error) {
  const message = (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 4).join(' ');
  const where = String(error?.stack ?? '').split('\n').find((line) => line.trimStart().startsWith('at ') && line.includes(fileURLToPath(config)));
  const place = /:(\d+):(\d+)\)?$/.exec(where ?? '');
  answer({ ok: false, message: message + (place === null ? '' : ' (line ' + place[1] + ', column ' + place[2] + ')') });
}
process.exit(0);
`;
