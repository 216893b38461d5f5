import { expect, it } from 'vitest';
import { spoolFor } from './backups.ts';

it('two workspaces on a machine never ship from one folder, even where their copies lie in one', () => {
  const folders = [
    spoolFor('/tmp/copies', '/srv/one', 'control'),
    spoolFor('/tmp/copies', '/srv/two', 'control'),
    spoolFor('/tmp/copies', '/srv/one', 'shop'),
  ];
  expect(new Set(folders).size).toBe(3);
  expect(spoolFor('/tmp/copies', '/srv/one', 'control')).toBe(folders[0]);
});
