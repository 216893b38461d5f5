import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { belongs } from './orphans.ts';
import { unitFolder, unitName, unitSteps, unitText } from './unit.ts';

const OPTIONS = {
  workspace: '/srv/shop',
  self: ['/usr/bin/node', '/opt/sluice/main.js'],
  env: { PATH: '/usr/bin:/bin', HOME: '/home/ann' },
};
const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;

describe('the unit of a control plane', () => {
  test('runs it in the foreground, keeps what it has started, and starts it again', () => {
    const text = unitText({ ...OPTIONS, isRoot: true });
    expect(text).toContain('ExecStart="/usr/bin/node" "/opt/sluice/main.js" "server" "--workspace" "/srv/shop"\n');
    expect(text).toContain('KillMode=process\nRestart=always\n');
    expect(text).toContain('Environment="PATH=/usr/bin:/bin"\n');
    expect(text).toContain('WantedBy=multi-user.target\n');
  });

  test('is a unit of the machine for root, and of the user otherwise', () => {
    expect(unitFolder({ ...OPTIONS, isRoot: true })).toBe('/etc/systemd/system');
    expect(unitFolder({ ...OPTIONS, isRoot: false })).toBe('/home/ann/.config/systemd/user');
    expect(unitFolder({ env: { XDG_CONFIG_HOME: '/x' }, isRoot: false })).toBe('/x/systemd/user');
    expect(unitText({ ...OPTIONS, isRoot: false })).toContain('WantedBy=default.target\n');
    expect(unitSteps({ ...OPTIONS, isRoot: false })).toContain('loginctl enable-linger');
    expect(unitSteps({ ...OPTIONS, isRoot: true })).toContain('systemctl enable --now sluice-shop.service');
  });

  test('a folder of any name gives one command line with the same arguments, and a name that systemd takes', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~äß€]{1,30}$/), (folder) => {
        const workspace = `/srv/${folder.replaceAll('/', '_')}`;
        const text = unitText({ ...OPTIONS, workspace, isRoot: true });
        const line = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? '';
        expect(argumentsOf(line)).toEqual([...OPTIONS.self, 'server', '--workspace', workspace]);
        expect(unitName({ workspace })).toMatch(/^sluice-[A-Za-z0-9_.-]+\.service$/);
      }),
    );
  });

  test.skipIf(!hasAnalyze)('systemd itself finds nothing wrong with it (skipped without systemd-analyze)', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice unit %n $x '));
    try {
      const options = { ...OPTIONS, workspace: folder, self: [process.execPath, '/bin/true'], isRoot: true };
      const path = join(folder, 'sluice-x.service');
      await writeFile(path, unitText(options));
      expect(execFileSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8', stdio: 'pipe' })).toBe('');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('what belongs to a workspace', () => {
  const folders = ['/srv/shop/.sluice'];

  test('is told by where its environment says that it is part of', () => {
    expect(belongs(['PATH=/bin', 'SLUICE_PART_OF=/srv/shop/.sluice/edges/production'], folders)).toBe(true);
    expect(belongs(['SLUICE_PART_OF=/srv/shop/.sluice'], folders)).toBe(true);
    expect(belongs(['SLUICE_INSTANCE_DIR=/srv/shop/.sluice/apps/production/web/abc/instances/0'], folders)).toBe(true);
  });

  test('nothing else is ended, however near it is', () => {
    const near = fc.constantFrom(
      '/srv/shop/.sluice-2/apps',
      '/srv/shop',
      '/srv/shop/.sluic',
      '/srv/shop2/.sluice/apps',
      '/x/srv/shop/.sluice',
      '',
    );
    const names = fc.constantFrom('SLUICE_PART_OF', 'SLUICE_INSTANCE_DIR');
    fc.assert(
      fc.property(names, near, (name, value) => {
        expect(belongs([`${name}=${value}`], folders)).toBe(false);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (name) => {
        fc.pre(name !== 'SLUICE_PART_OF' && name !== 'SLUICE_INSTANCE_DIR' && !name.includes('='));
        expect(belongs([`${name}=/srv/shop/.sluice/apps`], folders)).toBe(false);
      }),
    );
  });
});

/** As systemd reads a command line (systemd.service(5)): quotes, \ before \ and ", %% and $$. */
function argumentsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replaceAll(/\\(.)/g, '$1').replaceAll('%%', '%').replaceAll('$$', '$'),
  );
}
