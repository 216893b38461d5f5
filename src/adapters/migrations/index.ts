import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { dbmateMigrations } from './dbmate.ts';
import { drizzleMigrations } from './drizzle.ts';
import { flywayMigrations } from './flyway.ts';
import { golangMigrations } from './golang-migrate.ts';
import { nodePgMigrateMigrations } from './node-pg-migrate.ts';
import { plainMigrations } from './plain.ts';
import { prismaMigrations } from './prisma.ts';

/** How projects write their migrations, by the name the configuration has for it. */
export const migrationKinds: Readonly<Record<string, (dir: string) => Promise<MigrationFile[]>>> = {
  sql: plainMigrations,
  dbmate: dbmateMigrations,
  'node-pg-migrate': nodePgMigrateMigrations,
  prisma: prismaMigrations,
  drizzle: drizzleMigrations,
  flyway: flywayMigrations,
  'golang-migrate': golangMigrations,
};
