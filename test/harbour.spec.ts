import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const harbour = join(import.meta.dirname, '../examples/harbour');

describe('harbour, the example workspace', () => {
  it.each(['accounts', 'storefront', 'settler'])("%s passes its own tests", { timeout: 60_000 }, async (app) => {
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', `${app}/test/`], { cwd: harbour });
    expect(stdout).toMatch(/# fail 0/);
    expect(stdout).not.toMatch(/# pass 0/);
  });

  it.skipIf(!hasPython())('rates passes its own tests (skipped where python3 is not installed)', { timeout: 60_000 }, async () => {
    const { stderr } = await run('python3', ['-W', 'ignore', '-m', 'unittest'], { cwd: join(harbour, 'rates') });
    expect(stderr).toMatch(/Ran [1-9]\d* tests[\s\S]*OK/);
  });
});

function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
