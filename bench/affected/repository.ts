import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Generated {
  readonly dir: string;
  /** Commit to compare with; the range holds 8 commits and changes no manifest. */
  readonly base: string;
  readonly files: number;
}

/**
 * A monorepo of JavaScript packages in layers, each needing up to three of lower layers and three of 1,500 packages from
 * outside; one project in twenty is an app of the configuration. The same number makes the same repository.
 */
export async function generate(projects: number, filesEach: number, peers: string): Promise<Generated> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-affected-'));
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: dir, encoding: 'utf8', maxBuffer: 1 << 28 }).trim();
  git('init', '-q', '-b', 'main');
  const next = random(7);
  const files: string[] = [];
  const add = (path: string, content: string): void =>
    void files.push(`M 100644 inline ${path}\ndata ${Buffer.byteLength(content)}\n${content}\n`);
  const locked: Record<string, object> = { '': { name: 'root', workspaces: ['packages/*'] } };
  for (let i = 0; i < 1500; i += 1)
    locked[`node_modules/ext${i}`] = {
      version: '1.0.0',
      resolved: `https://registry.npmjs.org/ext${i}/-/ext${i}-1.0.0.tgz`,
      integrity: `sha512-${i}`,
      dependencies: i > 2 ? { [`ext${next(i)}`]: '^1.0.0' } : {},
    };
  const apps: Record<string, object> = {};
  for (let i = 0; i < projects; i += 1) {
    const name = `p${i}`;
    const dependencies: Record<string, string> = {};
    const layer = Math.floor(i / 60) * 60;
    for (let need = next(4); need > 0 && layer > 0; need -= 1)
      dependencies[`p${Math.max(0, layer - 1 - next(Math.min(layer, 400)))}`] = '*';
    for (let take = 0; take < 3; take += 1) dependencies[`ext${next(1500)}`] = '^1.0.0';
    const manifest = { name, version: '1.0.0', dependencies };
    locked[`packages/${name}`] = manifest;
    locked[`node_modules/${name}`] = { resolved: `packages/${name}`, link: true };
    // Its toolchain for JavaScript would be fetched from a registry of containers: moon is told what it would find in package.json.
    add(
      `packages/${name}/moon.yml`,
      JSON.stringify({ language: 'javascript', dependsOn: Object.keys(dependencies).filter((one) => one.startsWith('p')) }),
    );
    add(`packages/${name}/package.json`, JSON.stringify({ ...manifest, scripts: { build: 'true' } }));
    for (let file = 0; file < filesEach; file += 1) add(`packages/${name}/src/f${file}.js`, `export const v = ${i} + ${file};`);
    if (i % 20 === 0) apps[name] = { path: `packages/${name}`, run: 'node src/f0.js' };
  }
  add('package.json', JSON.stringify({ name: 'root', private: true, packageManager: 'npm@10.8.2', workspaces: ['packages/*'] }));
  add('package-lock.json', JSON.stringify({ name: 'root', lockfileVersion: 3, requires: true, packages: locked }));
  add('.gitignore', 'node_modules\n.turbo\n.nx\n.moon/cache\n.sluice\n');
  add('turbo.json', JSON.stringify({ tasks: { build: {} } }));
  add('nx.json', JSON.stringify({ defaultBase: 'main', analytics: false }));
  add('.moon/workspace.yml', "projects:\n  - 'packages/*'\nvcs:\n  defaultBranch: main\n");
  add('sluice.config.json', JSON.stringify({ workspace: 'bench', apps }));
  const commits = [files.join('')];
  for (let commit = 0; commit < 8; commit += 1) {
    const edits = Array.from({ length: 3 }, () => {
      const content = `export const v = ${next(1_000_000)};`;
      return `M 100644 inline packages/p${Math.floor(projects / 2) + next(Math.floor(projects / 2))}/src/f0.js\ndata ${content.length}\n${content}\n`;
    });
    commits.push(edits.join(''));
  }
  await fastImport(dir, commits);
  git('reset', '-q', '--hard', 'main');
  git('gc', '-q');
  mkdirSync(join(dir, '.sluice'), { recursive: true });
  symlinkSync(join(peers, 'node_modules'), join(dir, 'node_modules'));
  return { dir, base: git('rev-parse', 'HEAD~8'), files: files.length };
}

function fastImport(dir: string, commits: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['fast-import', '--quiet'], { cwd: dir, stdio: ['pipe', 'ignore', 'inherit'] });
    child.on('error', reject).on('close', (code) => (code === 0 ? resolve() : reject(new Error(`git fast-import ended with ${code}`))));
    for (const changes of commits)
      child.stdin.write(`commit refs/heads/main\ncommitter b <b@example.com> 0 +0000\ndata 1\nm\n${changes}\n`);
    child.stdin.end();
  });
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
