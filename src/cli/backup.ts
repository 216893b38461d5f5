import type { CommandDefinition } from './_session.ts';
import { backupList } from './backup-list.ts';
import { backupNow } from './backup-now.ts';
import { backupRestore } from './backup-restore.ts';
import { backupRunbook } from './backup-runbook.ts';
import { backupVerify } from './backup-verify.ts';
import { drill } from './drill.ts';

/** What `sluice help` says about `sluice backup`. */
export const BACKUP_GROUP = 'Backups: take, look at, prove and restore them';

export const BACKUP_COMMANDS: readonly CommandDefinition[] = [backupNow, backupList, backupVerify, backupRestore, backupRunbook, drill];
