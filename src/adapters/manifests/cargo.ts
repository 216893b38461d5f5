import { parse } from 'smol-toml';
import { canonicalJson } from '../../core/canonical.ts';
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
    for (const { folder, text: content } of reading.named('Cargo.toml')) if (/^\s*\[package\]/m.test(content)) reading.project(folder);
  },
  link(reading) {
    const manifests = reading.named('Cargo.toml').flatMap(({ path, folder, text: content }) => {
      const values = reading.parsed(path, () => record(parse(content)));
      return values === null ? [] : [{ path, folder, values }];
    });
    const roots = new Map(manifests.filter((one) => one.values['workspace'] !== undefined).map((one) => [one.folder, one]));
    const locks = new Map(
      reading
        .named('Cargo.lock')
        .map(({ path, folder, text: content }) => [folder, reading.parsed(path, () => cargoLock(content)) ?? wholeLock(content)] as const),
    );
    for (const [folder, { path, values }] of roots) shareRoot(reading, folder, path, values);
    for (const { path, folder, values } of manifests) {
      const project = values['package'] === undefined ? null : reading.project(folder);
      if (project === null) continue;
      const root = [folder, ...ancestors(folder)].find((one) => roots.has(one));
      if (root !== undefined) reading.depends(project, `workspace:rust ${root}`, roots.get(root)?.path ?? path);
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
    }
  },
};

/** What a workspace says of all its members; which members there are is their own affair. */
function shareRoot(reading: Reading, folder: string, path: string, values: Values): void {
  const shared = reading.shared(`workspace:rust ${folder}`, pathFrom(folder, 'rustfmt.toml') ?? path);
  const {
    members: _members,
    exclude: _exclude,
    'default-members': _defaults,
    dependencies: _dependencies,
    ...rest
  } = record(values['workspace']);
  shared.settings.push(digest(canonicalJson(JSON.parse(JSON.stringify([rest, values['profile'] ?? null, values['patch'] ?? null])))));
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
