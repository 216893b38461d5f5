import { folderOf, inFolder, isTestPath, type Look, type Runtime } from './look.ts';
import { goProgram } from './other.ts';

const MANIFEST = /(^|\/)(package\.json|requirements\.txt|pyproject\.toml|go\.mod|Cargo\.toml|main\.go|wrangler\.(toml|jsonc?))$/;
const PROGRAM = /(^|\/)(Dockerfile|index\.html)$|(^|\/)(main|app|server|manage)\.py$/;

/** Folders with a file of their own that says what they are made of or what they need. */
export function manifestFolders(look: Look): ReadonlySet<string> {
  return new Set([...look.paths].filter((path) => MANIFEST.test(path)).map(folderOf));
}

/** Folders that may hold an app which no other tool describes. `runtimeOf`: what a folder would run. */
export function candidateFolders(look: Look, runtimeOf: (look: Look, folder: string) => Runtime | null): string[] {
  const files = [...look.paths].filter(
    (path) => MANIFEST.test(path) || PROGRAM.test(path) || (path.endsWith('.go') && goProgram(look, folderOf(path)) !== null),
  );
  const folders = [...new Set(files.map(folderOf))].filter((folder) => folder === '.' || !isTestPath(`${folder}/x`)).toSorted();
  const withManifest = manifestFolders(look);
  // Pages and single scripts inside of an app belong to it.
  return folders.filter(
    (folder) =>
      withManifest.has(folder) ||
      !folders.some(
        (other) =>
          other !== folder && withManifest.has(other) && isBelow(folder, other) && (other !== '.' || runtimeOf(look, '.') !== null),
      ),
  );
}

/** Whether other apps, or parts of some, lie below a folder: then it is the whole of a workspace, and no app's own folder. */
export function holdsOthers(look: Look, folder: string): boolean {
  return [...manifestFolders(look)].some((other) => other !== folder && isBelow(other, folder) && !isTestPath(`${other}/x`));
}

/**
 * The folder that an image is made of. Where others lie below the one that the build may read, it is the one that holds the Dockerfile, or the
 * only one that is copied; null: nothing tells.
 */
export function imageFolder(look: Look, context: string, dockerfile: string | null): string | null {
  if (!holdsOthers(look, context)) return context;
  const [own, manifests] = [dockerfile === null ? context : folderOf(dockerfile), manifestFolders(look)];
  if (own !== context && isBelow(own, context) && manifests.has(own)) return own;
  const copied = copiedFolders(look.texts.get(dockerfile ?? inFolder(context, 'Dockerfile')) ?? '').map((path) => inFolder(context, path));
  const apps = [...manifests].filter((folder) => folder !== context && copied.some((path) => path === folder || isBelow(path, folder)));
  const [only, ...rest] = apps.filter((folder) => !apps.some((other) => other !== folder && isBelow(folder, other)));
  return only !== undefined && rest.length === 0 ? only : null;
}

/** What a Dockerfile copies from the folder that it may read. */
function copiedFolders(text: string): string[] {
  return text
    .replaceAll(/\\\r?\n/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const words = /^\s*(?:COPY|ADD)\s+(.*)$/i.exec(line)?.[1]?.split(/\s+/) ?? [];
      if (words.some((word) => word.startsWith('--from'))) return [];
      return words.filter((word) => !word.startsWith('--')).slice(0, -1);
    })
    .map((path) => path.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, ''))
    .filter((path) => path !== '' && path !== '.');
}

function isBelow(folder: string, other: string): boolean {
  return other === '.' ? folder !== '.' : folder.startsWith(`${other}/`);
}
