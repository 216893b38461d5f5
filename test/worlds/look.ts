import { folderOf, isWorthReading, type Look } from '../../src/core/init/look.ts';

/** What `sluice init` sees of these files: path → text. */
export function lookAt(files: Readonly<Record<string, string>>): Look {
  const paths = Object.keys(files);
  const packages = new Set(paths.filter((path) => path.endsWith('package.json')).map(folderOf));
  return { name: 'w', paths: new Set(paths), texts: new Map(Object.entries(files).filter(([path]) => isWorthReading(path, packages))) };
}
