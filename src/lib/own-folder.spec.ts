import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { folderBelow, foreign, privateFolder, workspaceFolder } from './own-folder.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-own-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a folder at a path that can be guessed', () => {
  test('is made, and taken again when it is as we made it', () => {
    const path = join(dir, 'ours');
    expect(privateFolder(path)).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(privateFolder(path)).toBe(path);
  });

  test.each([
    ['a link', (path: string) => symlinkSync(dir, path), 'is a link'],
    ['open to writers', (path: string) => (mkdirSync(path), chmodSync(path, 0o777)), 'may be written to by other users'],
    ['open to a group', (path: string) => (mkdirSync(path), chmodSync(path, 0o770)), 'may be written to by other users'],
  ])('%s is refused', (_, make, why) => {
    const path = join(dir, 'theirs');
    make(path);
    expect(() => privateFolder(path)).toThrow(why);
  });

  test.runIf(process.getuid?.() === 0)('of another user is refused', () => {
    const path = join(dir, 'theirs');
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, 65_534, 65_534);
    expect(() => privateFolder(path)).toThrow('belongs to user 65534');
    expect(() => workspaceFolder(dir)).not.toThrow();
    chownSync(join(dir, '.sluice'), 65_534, 65_534);
    expect(() => workspaceFolder(dir)).toThrow('belongs to user 65534');
    // The owner of the workspace wrote the configuration that is evaluated, too.
    chownSync(dir, 65_534, 65_534);
    expect(() => workspaceFolder(dir)).not.toThrow();
  });

  test('is judged by owner, kind and mode together', () => {
    const folder = (mode: number, uid: number) => ({ mode, uid, isDirectory: () => true, isSymbolicLink: () => false });
    expect([foreign(folder(0o40755, 7), 7), foreign(folder(0o40700, 7), 7), foreign(folder(0o40777, 7), null)]).toEqual([null, null, null]);
    expect(foreign(folder(0o40755, 8), 7)).toBe('belongs to user 8, and this is user 7');
    expect(foreign(folder(0o41777, 7), 7)).toBe('may be written to by other users');
  });
});

describe('the folder of a workspace', () => {
  test('is for this user only, and git takes nothing of it', () => {
    execFileSync('git', ['init', '-q'], { cwd: dir });
    const cache = folderBelow(dir, 'cache');
    writeFileSync(join(dir, '.sluice/control-plane.json'), '{"token":"secret"}');
    writeFileSync(join(cache, 'x'), 'x');
    writeFileSync(join(dir, 'README'), 'read me');
    execFileSync('git', ['add', '-A'], { cwd: dir });
    expect(execFileSync('git', ['ls-files'], { cwd: dir, encoding: 'utf8' })).toBe('README\n');
    expect(statSync(join(dir, '.sluice')).mode & 0o777).toBe(0o700);
  });

  test('keeps what a person wrote into its .gitignore, and is refused when others may write to it', () => {
    mkdirSync(join(dir, '.sluice'), { mode: 0o755 });
    writeFileSync(join(dir, '.sluice/.gitignore'), '*\n!backups\n');
    workspaceFolder(dir);
    expect(readFileSync(join(dir, '.sluice/.gitignore'), 'utf8')).toBe('*\n!backups\n');
    chmodSync(join(dir, '.sluice'), 0o777);
    expect(() => workspaceFolder(dir)).toThrow('may be written to by other users');
  });
});
