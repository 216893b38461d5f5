import { parse } from 'smol-toml';
import { canonicalJson } from '../../core/text/canonical.ts';
import { ancestors } from '../../core/changes/project.ts';
import type { Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { cargoLock } from './locks/cargo.ts';
import { digest, wholeLock } from './locks/lock.ts';
import { record, text, type Values } from './values.ts';

const KINDS = ['dependencies', 'dev-dependencies', 'build-dependencies'] as const;

/** `Cargo.toml`, its workspaces, and `Cargo.lock`. */
export const cargoReader: Reader = {
  names: ['Cargo.toml', 'Cargo.lock'],
  find(reading) {
    for (const { path, folder, text: content } of reading.named('Cargo.toml'))
      if (/^\s*\[package\]/m.test(content) || reading.parsed(path, () => manifestOf(content)) === null) reading.project(folder);
  },
  link(reading) {
    const manifests = reading.named('Cargo.toml').flatMap(({ path, folder, text: content }) => {
      const values = reading.parsed(path, () => manifestOf(content));
      return values === null ? [] : [{ path, folder, values }];
    });
    const roots = new Map(manifests.filter((one) => one.values['workspace'] !== undefined).map((one) => [one.folder, one]));
    const locks = new Map(
      reading
        .named('Cargo.lock')
        .map(({ path, folder, text: content }) => [folder, reading.parsed(path, () => cargoLock(content)) ?? wholeLock(content)] as const),
    );
    for (const one of manifests) if (roots.has(one.folder) || one.values['patch'] !== undefined) shareRoot(reading, one);
    for (const { path, folder, values } of manifests) {
      const project = values['package'] === undefined ? null : reading.project(folder);
      if (project === null) continue;
      const root = [folder, ...ancestors(folder)].find((one) => roots.has(one));
      for (const shared of new Set([root ?? folder, folder]))
        if (reading.projects.has(`workspace:rust ${shared}`))
          reading.depends(project, `workspace:rust ${shared}`, roots.get(shared)?.path ?? path);
      const shared = root === undefined ? {} : record(record(roots.get(root)?.values['workspace'])['dependencies']);
      for (const local of pathsOf(values, shared, folder, root ?? folder)) {
        if (reading.projects.has(local)) reading.depends(project, local, path);
        else reading.reads(project, local, path);
      }
      const lock = [folder, ...ancestors(folder)].map((one) => locks.get(one)).find((one) => one !== undefined);
      const closure = lock?.closure(folder, text(record(values['package'])['name']), new Map()) ?? '';
      if (closure !== '') project.locks.push(closure);
      const toolchain = reading.shared('toolchain:rust', 'rust-toolchain.toml');
      for (const file of ['rust-toolchain', '.cargo', '.tool-versions', 'mise.toml']) reading.reads(toolchain, file, file);
      reading.depends(project, 'toolchain:rust', 'rust-toolchain.toml');
      // cargo reads `.cargo` in each folder above the one it is started in.
      for (const above of ancestors(folder)) if (above !== '.') reading.reads(project, `${above}/.cargo`, `${above}/.cargo`);
    }
  },
};

/** @throws Error for what is no TOML, and for what is neither a package nor a workspace. */
function manifestOf(content: string): Values {
  const values = record(parse(content));
  if (['package', 'workspace', 'project'].every((key) => values[key] === undefined))
    throw new Error('it describes neither a package nor a workspace');
  return values;
}

interface Manifest {
  readonly path: string;
  readonly folder: string;
  readonly values: Values;
}

/** What a workspace says of all its members; which members there are is their own affair. A patch may serve any of them. */
function shareRoot(reading: Reading, { folder, path, values }: Manifest): void {
  const shared = reading.shared(`workspace:rust ${folder}`, pathFrom(folder, 'rustfmt.toml') ?? path);
  const {
    members: _members,
    exclude: _exclude,
    'default-members': _defaults,
    dependencies: _dependencies,
    ...rest
  } = record(values['workspace']);
  shared.settings.push(digest(canonicalJson(JSON.parse(JSON.stringify([rest, values['profile'] ?? null, values['patch'] ?? null])))));
  const sources = [...Object.values(record(values['patch'])).map(record), record(values['replace'])];
  for (const said of sources.flatMap((source) => Object.values(source))) {
    const written = text(record(said)['path']);
    const target = written === '' ? null : pathFrom(folder, written);
    if (target === null) continue;
    if (reading.projects.has(target)) reading.depends(shared, target, path);
    else reading.reads(shared, target, path);
  }
}

/** Folders of the dependencies that are folders, also those that the workspace's root names. */
function pathsOf(values: Values, shared: Values, folder: string, root: string): string[] {
  const targets = Object.values(record(values['target'])).map(record);
  return [values, ...targets].flatMap((section) =>
    KINDS.flatMap((kind) =>
      Object.entries(record(section[kind])).flatMap(([name, said]) => {
        const inherited = record(said)['workspace'] === true;
        const path = text(record(inherited ? shared[name] : said)['path']);
        const target = path === '' ? null : pathFrom(inherited ? root : folder, path);
        return target === null ? [] : [target];
      }),
    ),
  );
}
