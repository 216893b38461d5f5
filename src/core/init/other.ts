import type { Command, Look, Runtime } from './look.ts';
import { inFolder } from './look.ts';
import { commandOf, data, json, string, toml } from './parse.ts';

const PLAIN = { language: 'other', env: {}, isFrontEnd: false, listens: true, checks: {}, notes: [], build: null } as const;

export function goRuntime(look: Look, folder: string): Runtime | null {
  if (!look.paths.has(inFolder(folder, 'go.mod')) || !look.paths.has(inFolder(folder, 'main.go'))) return null;
  const hasTests = [...look.paths].some((path) => path.startsWith(folder === '.' ? '' : `${folder}/`) && path.endsWith('_test.go'));
  return {
    ...PLAIN,
    framework: 'Go',
    language: 'go',
    path: folder,
    build: ['go', 'build', '-trimpath', '-o', 'app', '.'],
    run: ['./app'],
    checks: hasTests ? { test: { command: ['go', 'test', './...'] } } : {},
  };
}

/** A Cloudflare Worker, run by its own runtime on this machine. */
export function workerRuntime(look: Look, folder: string, node: Runtime | null): Runtime | null {
  const file = wranglerFile(look, folder);
  if (file === null) return null;
  const text = look.texts.get(file);
  const wrangler = file.endsWith('.toml') ? toml(text) : json(text);
  const vars = Object.fromEntries(
    Object.entries(data(wrangler['vars'])).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
  const inside = node !== null && node.path !== folder ? `cd '${folder}' && ` : '';
  return {
    framework: 'Cloudflare Worker',
    language: 'node',
    path: node?.path ?? folder,
    build: node?.build ?? null,
    run: ['sh', '-c', `${inside}exec npx --no-install wrangler dev --ip 127.0.0.1 --port "$PORT"`],
    env: {},
    isFrontEnd: false,
    listens: true,
    checks: node?.checks ?? {},
    notes: [
      'A Cloudflare Worker, run here in its own runtime by `wrangler dev`: Sluice does not deploy to Cloudflare yet.',
      ...(Object.keys(vars).length === 0 ? [] : [`wrangler hands it ${Object.keys(vars).join(', ')} from ${file}.`]),
      ...(node?.notes ?? []),
    ],
  };
}

export function wranglerFile(look: Look, folder: string): string | null {
  return (
    ['wrangler.toml', 'wrangler.jsonc', 'wrangler.json'].map((name) => inFolder(folder, name)).find((path) => look.paths.has(path)) ?? null
  );
}

/** What a Dockerfile starts, where neither a package.json nor Python says it. */
export function dockerRuntime(look: Look, folder: string, file = 'Dockerfile'): Runtime | null {
  const run = dockerCommand(look.texts.get(inFolder(folder, file)));
  return run === null ? null : { ...PLAIN, framework: 'Dockerfile', path: folder, run };
}

/** ENTRYPOINT and CMD of the last stage as one command; null when neither is said. */
function dockerCommand(text: string | undefined): Command | null {
  if (text === undefined) return null;
  const lines = text.replaceAll(/\\\r?\n/g, ' ').split('\n');
  const stage = lines.slice(lines.findLastIndex((line) => /^\s*FROM\s/i.test(line)) + 1);
  const said = (name: string): Command | null => {
    const line = stage
      .findLast((one) => new RegExp(String.raw`^\s*${name}\s`, 'i').test(one))
      ?.replace(/^\s*\w+\s+/, '')
      .trim();
    if (line === undefined || line === '') return null;
    const words: unknown = line.startsWith('[') ? json(`{"words":${line}}`)['words'] : null;
    return Array.isArray(words) ? words.map(String) : commandOf(line);
  };
  const [entry, command] = [said('ENTRYPOINT'), said('CMD')];
  if (entry === null) return command;
  return entry[0] === 'sh' ? entry : [...entry, ...(command ?? [])];
}

/** A folder of pages and nothing else. */
export function pagesRuntime(look: Look, folder: string): Runtime | null {
  if (!look.paths.has(inFolder(folder, 'index.html'))) return null;
  return {
    ...PLAIN,
    framework: 'static pages',
    path: folder,
    run: ['sh', '-c', 'exec python3 -m http.server --bind 127.0.0.1 "$PORT"'],
    isFrontEnd: true,
  };
}

/** The `web` line of a Procfile. */
export function procfileCommand(look: Look, folder: string): Command | null {
  const line = /^web:\s*(.+)$/m.exec(look.texts.get(inFolder(folder, 'Procfile')) ?? '')?.[1];
  const command = string(line);
  return command === null ? null : commandOf(command);
}
