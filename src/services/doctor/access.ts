import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from './finding.ts';

const SECRET_FILES = ['control-plane.json', 'values.json', 'control-plane.log'];

/** Who else can reach what the control plane keeps: by the modes of its files, and because apps run as its user. */
export async function examineAccess(workspace: string, uid = process.getuid?.() ?? null): Promise<Finding> {
  const name = 'access';
  const dir = join(workspace, '.sluice');
  const open: string[] = [];
  for (const file of SECRET_FILES) {
    const found = await stat(join(dir, file)).catch(() => null);
    if (found !== null && (found.mode & 0o077) !== 0) open.push(file);
  }
  if (open.length > 0)
    return {
      name,
      status: 'fail',
      message: `other users may read ${open.join(', ')} in ${dir}`,
      hint: `chmod 600 ${open.map((file) => join(dir, file)).join(' ')}`,
    };
  if (uid === 0)
    return {
      name,
      status: 'warn',
      message: 'Sluice runs as root, and so do configuration, builds, checks and apps: each can read its token and values',
      hint: 'Run it as a user of its own, one for each group of apps that must not reach the others: docs/secrets.md.',
    };
  return {
    name,
    status: 'ok',
    message: 'configuration, builds and apps run as the same user as Sluice, and can reach what it can',
    hint: null,
  };
}
