import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * argv that runs one of our own entry points in a new Node process: the built `.js` as it is, a `.ts` source
 * through tsx (development and tests).
 */
export function selfCommand(entry: URL): string[] {
  const file = fileURLToPath(entry);
  if (!file.endsWith('.ts')) return [process.execPath, file];
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return [process.execPath, '--import', tsx, file];
}
