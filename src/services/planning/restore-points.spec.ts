import { describe, expect, test } from 'vitest';
import { restorePointsOf } from './restore-points.ts';
import type { Config } from '../../config/schema/workspace.ts';

type Backups = NonNullable<Config['backups']>;

const shop = (backups: Backups): Config => ({
  workspace: 'shop',
  apps: { web: { path: 'web', run: 'node web.js' } },
  databases: { shop: { apps: ['web'], migrations: { path: 'migrations' }, direct: { fromEnv: 'SHOP_DIRECT' }, pooled: false } },
  environments: { staging: { databases: { shop: { direct: { fromEnv: 'STAGING_DIRECT' }, pooled: false } } }, production: {} },
  backups,
});
const basebackup = (variable: string): Backups => ({ shop: { adapter: 'pg_basebackup', database: { fromEnv: variable } } });
const made = (backups: Backups, environment = 'production'): readonly string[] =>
  restorePointsOf(shop(backups), environment, ['shop'])?.databases ?? [];

describe('before a release that changes data, a restore point is made', () => {
  test('of each database that is backed up by its name', () => {
    expect(made({ shop: { adapter: 'neon', project: 'p', branch: 'br-a', apiKey: { fromEnv: 'KEY' } } })).toEqual(['shop']);
    expect(made(basebackup('SHOP_DIRECT'))).toEqual(['shop']);
    // The backup may go in by another role, and so by another variable.
    expect(made(basebackup('SHOP_BACKUP'))).toEqual(['shop']);
    expect(made(basebackup('SHOP_BACKUP'), 'staging')).toEqual(['shop']);
  });

  test('not of the database of another environment', () => {
    expect(made(basebackup('SHOP_DIRECT'), 'staging')).toEqual([]);
    expect(made(basebackup('STAGING_DIRECT'))).toEqual([]);
    expect(made(basebackup('STAGING_DIRECT'), 'staging')).toEqual(['shop']);
  });

  test('not where nothing of that name is a database, or nothing changes', () => {
    expect(made({ other: { adapter: 'embedded' } })).toEqual([]);
    expect(made({ shop: { adapter: 'file', file: 'shop.tfstate' } })).toEqual([]);
    expect(restorePointsOf(shop(basebackup('SHOP_DIRECT')), 'production', [])).toBeUndefined();
  });
});
