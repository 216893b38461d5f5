import type { Command, Look, Runtime } from './look.ts';
import { folderOf, inFolder } from './look.ts';
import { commandOf, data, json, list, string, toml } from './parse.ts';

const PLAIN = { language: 'other', env: {}, isFrontEnd: false, listens: true, checks: {}, notes: [], build: null } as const;

/** A folder with a program of Go: that of its module, or one of several within a module above. */
export function goRuntime(look: Look, folder: string): Runtime | null {
  const main = goProgram(look, folder);
  const isModule = look.paths.has(inFolder(folder, 'go.mod'));
  if (main === null) return null;
  const module = moduleAbove(look, folder);
  if (module === null) return null;
  if (!isModule) return { ...goWithin(folder, module), listens: goListens(main) };
  const hasTests = [...look.paths].some((path) => path.startsWith(folder === '.' ? '' : `${folder}/`) && path.endsWith('_test.go'));
  return {
    ...PLAIN,
    framework: 'Go',
    language: 'go',
    path: folder,
    build: ['go', 'build', '-trimpath', '-o', 'app', '.'],
    run: ['./app'],
    listens: goListens(main),
    checks: hasTests ? { test: { command: ['go', 'test', './...'] } } : {},
  };
}

/** The text in which a folder's program of Go begins; null where it holds none. */
export function goProgram(look: Look, folder: string): string | null {
  const texts = ['main', 'server', 'app', 'api', 'service', 'root'].flatMap((name) => look.texts.get(inFolder(folder, `${name}.go`)) ?? []);
  return (
    texts.find((text) => /^package main\b/m.test(text) && /^func main\(/m.test(text)) ??
    texts.find((text) => /^package main\b/m.test(text)) ??
    null
  );
}

/** Built at the root of the workspace, because its packages lie elsewhere in the module. */
function goWithin(folder: string, module: string): Runtime {
  const inside = module === '.' ? '' : `-C ${module} `;
  const from = module === '.' ? folder : folder.slice(module.length + 1);
  return {
    ...PLAIN,
    framework: 'Go',
    language: 'go',
    path: folder,
    isWide: true,
    build: commandOf(`go build ${inside}-trimpath -o ${'../'.repeat(module === '.' ? 0 : module.split('/').length)}.sluice-app ./${from}`),
    run: ['./.sluice-app'],
    notes: [`A package of the module in ${module}.`],
  };
}

function goListens(main: string): boolean {
  return !/^import\s/m.test(main) || /net\/http|gin-gonic|labstack\/echo|go-chi|gofiber|grpc|ListenAndServe|PORT/.test(main);
}

function moduleAbove(look: Look, folder: string): string | null {
  for (let at = folder; ; at = folderOf(at)) {
    if (look.paths.has(inFolder(at, 'go.mod'))) return at;
    if (at === '.') return null;
  }
}

/** A crate with a program. */
export function rustRuntime(look: Look, folder: string): Runtime | null {
  const manifest = toml(look.texts.get(inFolder(folder, 'Cargo.toml')));
  const name = string(data(manifest['package'])['name']);
  const bins = list(manifest['bin']).flatMap((one) => string(data(one)['name']) ?? []);
  const program = look.paths.has(inFolder(folder, 'src/main.rs')) ? name : (bins[0] ?? null);
  if (name === null || program === null) return null;
  const isMember = folder !== '.' && look.paths.has('Cargo.toml');
  const needs = Object.keys(data(manifest['dependencies']));
  return {
    ...PLAIN,
    framework: 'Rust',
    path: folder,
    ...(isMember ? { isWide: true as const } : {}),
    build: commandOf(`cargo build --release --locked --bin ${program} --target-dir ${TARGET}`),
    run: [`./${TARGET}/release/${program}`],
    listens:
      needs.some((need) => /^(axum|actix-web|rocket|warp|hyper|tonic|poem|salvo|tide)$/.test(need)) ||
      /\bTcpListener\b|"PORT"/.test(look.texts.get(inFolder(folder, 'src/main.rs')) ?? ''),
    checks: {},
    notes: isMember ? ['A crate of a workspace, built from its root.'] : [],
  };
}

const TARGET = '.sluice-target';

/** A Cloudflare Worker, run by its own runtime on this machine. */
export function workerRuntime(look: Look, folder: string, node: Runtime | null): Runtime | null {
  const file = wranglerFile(look, folder);
  if (file === null) return null;
  const text = look.texts.get(file);
  const wrangler = file.endsWith('.toml') ? toml(text) : json(text);
  const vars = Object.fromEntries(
    Object.entries(data(wrangler['vars'])).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
  const inside = node?.isWide === true ? `cd '${folder}' && ` : '';
  return {
    framework: 'Cloudflare Worker',
    language: 'node',
    path: node?.path ?? folder,
    ...(node?.isWide === true ? { isWide: true as const } : {}),
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

/** What a Dockerfile starts, where neither a package.json nor Python says it. `target`: the stage that is run. */
export function dockerRuntime(
  look: Look,
  folder: string,
  file = inFolder(folder, 'Dockerfile'),
  target: string | null = null,
): Runtime | null {
  const run = dockerCommand(look.texts.get(file), target);
  if (run === null) return null;
  const decide = [`${folder}: what ${file} installs and copies is not done here. Say in build how it is made on this machine.`];
  return { ...PLAIN, framework: 'Dockerfile', path: folder, run, decide };
}

interface Stage {
  readonly name: string | null;
  readonly from: string;
  readonly lines: readonly string[];
}

/** ENTRYPOINT and CMD of a stage, or of the one it is made from, as one command; null when neither is said. */
function dockerCommand(text: string | undefined, target: string | null): Command | null {
  const stages = stagesOf(text ?? '');
  const said = (stage: Stage | undefined, name: string, depth: number): Command | null => {
    if (stage === undefined || depth === 0) return null;
    const line = stage.lines
      .findLast((one) => new RegExp(String.raw`^\s*${name}\s`, 'i').test(one))
      ?.replace(/^\s*\w+\s+/, '')
      .trim();
    if (line === undefined || line === '')
      return said(
        stages.find((one) => one.name === stage.from),
        name,
        depth - 1,
      );
    const words: unknown = line.startsWith('[') ? json(`{"words":${line}}`)['words'] : null;
    return Array.isArray(words) ? words.map(String) : commandOf(line);
  };
  const stage = target === null ? stages.at(-1) : stages.find((one) => one.name === target.toLowerCase());
  const [entry, command] = [said(stage, 'ENTRYPOINT', stages.length), said(stage, 'CMD', stages.length)];
  if (entry === null) return command;
  return entry[0] === 'sh' ? entry : [...entry, ...(command ?? [])];
}

function stagesOf(text: string): Stage[] {
  const lines = text.replaceAll(/\\\r?\n/g, ' ').split('\n');
  const starts = lines.flatMap((line, i) => (/^\s*FROM\s/i.test(line) ? [i] : []));
  return starts.map((start, i) => {
    const [, from = '', name] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(lines[start] ?? '') ?? [];
    return { name: name?.toLowerCase() ?? null, from: from.toLowerCase(), lines: lines.slice(start + 1, starts[i + 1]) };
  });
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
