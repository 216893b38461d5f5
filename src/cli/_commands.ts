import type { CommandDefinition } from './_session.ts';

/** A command as `sluice help` lists it. What else belongs to it is loaded when it is asked for, because loading all takes longer than any of them. */
export interface CommandEntry {
  /** Its words after `sluice`: one, or a group and one. */
  readonly path: readonly string[];
  /** As commander writes them: `[apps...]`, `<release>`; empty: none. */
  readonly args: string;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly load: () => Promise<CommandDefinition>;
}

/** What `sluice help` says about commands of two words. */
export const GROUPS: Readonly<Record<string, string>> = {
  analysis: 'Look into how versions were judged',
  audit: 'Look into the audit log',
  backup: 'Backups: take, look at, prove and restore them',
  db: 'Schema and data of an environment: migrations, projections',
  github: 'Say at GitHub what becomes of a change',
  hold: 'Versions that a rollback has rejected',
};

/** Every command, in the order in which they are shown. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    path: ['check'],
    args: '',
    summary: 'Run the checks of the workspace as it stands, and judge by its gates',
    load: async () => (await import('./check.ts')).check,
  },
  {
    path: ['scan'],
    args: '',
    summary: 'Look for secrets in the tree, in what is staged, or in a range of commits',
    load: async () => (await import('./scan.ts')).scan,
  },
  {
    path: ['init'],
    args: '',
    summary: 'Find the apps of a repository, and write its configuration, Makefile and workflows',
    load: async () => (await import('./init.ts')).init,
  },
  { path: ['apps'], args: '', summary: 'List the apps of the workspace', load: async () => (await import('./apps.ts')).apps },
  {
    path: ['affected'],
    args: '',
    summary: 'List the apps that differ from what is deployed, or from a commit, and why',
    load: async () => (await import('./affected.ts')).affected,
  },
  {
    path: ['plan'],
    args: '[apps...]',
    summary: 'Show what a deploy would do; change nothing',
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    path: ['deploy'],
    args: '[apps...]',
    summary: 'Release what changed, and follow it to its end',
    load: async () => (await import('./deploy.ts')).deploy,
  },
  {
    path: ['status'],
    args: '[release]',
    summary: 'Show what runs where and what is under way, or one release',
    load: async () => (await import('./status.ts')).status,
  },
  {
    path: ['promote'],
    args: '[release]',
    summary: 'Leave the present pause or step and go on with the next',
    load: async () => (await import('./promote.ts')).promote,
  },
  {
    path: ['pause'],
    args: '[release]',
    summary: 'Keep a release where it is until it is resumed',
    load: async () => (await import('./pause.ts')).pause,
  },
  {
    path: ['resume'],
    args: '[release]',
    summary: 'End a pause; an analysis without a result looks again',
    load: async () => (await import('./resume.ts')).resume,
  },
  {
    path: ['approvals'],
    args: '',
    summary: 'List what waits for a person: plans to be approved, rollouts that pause',
    load: async () => (await import('./approvals.ts')).approvals,
  },
  {
    path: ['approve'],
    args: '[release]',
    summary: 'Say yes: to the plan of a release that waits for approval, or to a rollout that pauses for a person',
    load: async () => (await import('./approve.ts')).approve,
  },
  {
    path: ['reject'],
    args: '[release]',
    summary: 'Say no to a release, with the reason on record: a plan that waits ends, what is under way is put back',
    load: async () => (await import('./reject.ts')).reject,
  },
  { path: ['abort'], args: '[release]', summary: 'Put a release under way back', load: async () => (await import('./abort.ts')).abort },
  {
    path: ['retry'],
    args: '[release]',
    summary: 'Run the plan of a release again that did not succeed',
    load: async () => (await import('./retry.ts')).retry,
  },
  {
    path: ['rollback'],
    args: '',
    summary: 'Go back to the version before, or put a release under way back',
    load: async () => (await import('./rollback.ts')).rollback,
  },
  {
    path: ['promote-env'],
    args: '<from> <to> [apps...]',
    summary: 'Release what is healthy in one environment to another, without building it again',
    load: async () => (await import('./promote-env.ts')).promoteEnv,
  },
  {
    path: ['checklist'],
    args: '<release>',
    summary: 'Show the deployment checklist of a release, computed from its evidence',
    load: async () => (await import('./checklist.ts')).checklist,
  },
  {
    path: ['history'],
    args: '',
    summary: 'List releases that are over, newest first',
    load: async () => (await import('./history.ts')).history,
  },
  {
    path: ['manifest'],
    args: '',
    summary: 'Show exactly what runs in an environment, and what it can go back to',
    load: async () => (await import('./manifest.ts')).manifest,
  },
  { path: ['logs'], args: '<app>', summary: "Print an app's output", load: async () => (await import('./logs.ts')).logs },
  {
    path: ['analysis', 'show'],
    args: '<release>',
    summary: 'Show the evidence of a release over time',
    load: async () => (await import('./analysis.ts')).show,
  },
  {
    path: ['analysis', 'replay'],
    args: '<release>',
    summary: 'Judge a release again from its events; the verdicts must be the same to the last digit',
    load: async () => (await import('./analysis.ts')).replay,
  },
  {
    path: ['analysis', 'backtest'],
    args: '',
    summary: 'Show what another policy would have said of past releases',
    load: async () => (await import('./analysis.ts')).backtest,
  },
  {
    path: ['analysis', 'simulate'],
    args: '',
    summary: 'Estimate how soon a policy finds a bad version, and how often it fails a good one',
    load: async () => (await import('./analysis.ts')).simulate,
  },
  {
    path: ['analysis', 'otlp'],
    args: '',
    summary: 'Show where apps report their metrics to, as variables of their SDK',
    load: async () => (await import('./analysis.ts')).otlp,
  },
  {
    path: ['db', 'plan'],
    args: '',
    summary: 'Judge pending migrations and try them on a scratch clone; change nothing',
    load: async () => (await import('./db-plan.ts')).dbPlan,
  },
  {
    path: ['db', 'migrate'],
    args: '',
    summary: 'Run pending migrations that the version now running can live with, and backfills',
    load: async () => (await import('./db-migrate.ts')).dbMigrate,
  },
  {
    path: ['db', 'status'],
    args: '',
    summary: 'Say which migrations ran, which wait, and what our role may not do',
    load: async () => (await import('./db-status.ts')).dbStatus,
  },
  {
    path: ['db', 'contract'],
    args: '[ids...]',
    summary: 'Run migrations that take something away, once nobody needs it any more',
    load: async () => (await import('./db-contract.ts')).dbContract,
  },
  {
    path: ['db', 'compensate'],
    args: '<id>',
    summary: 'Run the compensating script of a migration that was applied',
    load: async () => (await import('./db-compensate.ts')).dbCompensate,
  },
  {
    path: ['db', 'projections'],
    args: '',
    summary: 'Show the read models: versions, what readers use, how far rebuilds are',
    load: async () => (await import('./db-projections.ts')).dbProjections,
  },
  {
    path: ['db', 'rebuild'],
    args: '<projection>',
    summary: 'Build a version of a read model beside the one that readers use',
    load: async () => (await import('./db-rebuild.ts')).dbRebuild,
  },
  {
    path: ['db', 'verify'],
    args: '<projection>',
    summary: 'Hold a version of a read model against the one readers use, and against its events',
    load: async () => (await import('./db-verify.ts')).dbVerify,
  },
  {
    path: ['backup', 'now'],
    args: '[source]',
    summary: 'Take a backup now, and verify it',
    load: async () => (await import('./backup-now.ts')).backupNow,
  },
  {
    path: ['backup', 'list'],
    args: '',
    summary: 'Show what could be restored, the last drill, and what is wrong',
    load: async () => (await import('./backup-list.ts')).backupList,
  },
  {
    path: ['backup', 'verify'],
    args: '[source]',
    summary: 'Read a backup and the log after it, and compare with what was written',
    load: async () => (await import('./backup-verify.ts')).backupVerify,
  },
  {
    path: ['backup', 'restore'],
    args: '[source]',
    summary: 'Make a copy of a source as it was; the source is not touched',
    load: async () => (await import('./backup-restore.ts')).backupRestore,
  },
  {
    path: ['backup', 'runbook'],
    args: '',
    summary: 'Print what to do after corruption, a bad release, and the loss of a data centre or a region',
    load: async () => (await import('./backup-runbook.ts')).backupRunbook,
  },
  {
    path: ['drill'],
    args: '[source]',
    summary: 'Act as if a source were lost: restore it beside, compare, and measure against the objectives',
    load: async () => (await import('./drill.ts')).drill,
  },
  {
    path: ['github', 'comment'],
    args: '<file>',
    summary: 'Put a file as a comment on a pull request, in place of the one before',
    load: async () => (await import('./github.ts')).comment,
  },
  {
    path: ['github', 'check'],
    args: '<name>',
    summary: 'Say how a check of a commit stands, with notes in the files',
    load: async () => (await import('./github.ts')).check,
  },
  {
    path: ['github', 'deployment'],
    args: '<release>',
    summary: 'Show a release as a deployment, as it stands now',
    load: async () => (await import('./github.ts')).deployment,
  },
  {
    path: ['github', 'protect'],
    args: '',
    summary: 'Answer a run that waits for the protection rule of an environment',
    load: async () => (await import('./github.ts')).protect,
  },
  {
    path: ['hold', 'lift'],
    args: '<app> <version>',
    summary: 'Allow a version again that a rollback has rejected',
    load: async () => (await import('./hold-lift.ts')).holdLift,
  },
  {
    path: ['audit', 'verify'],
    args: '',
    summary: 'See that nobody has changed the record of what happened',
    load: async () => (await import('./audit-verify.ts')).auditVerify,
  },
  {
    path: ['doctor'],
    args: '',
    summary: 'Look at everything Sluice needs, and say what to do where something is wrong',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    path: ['server'],
    args: '',
    summary: 'Run the control plane of this workspace',
    load: async () => (await import('./server.ts')).server,
  },
  {
    path: ['down'],
    args: '',
    summary: 'End the control plane of this workspace; apps and edges keep serving',
    load: async () => (await import('./down.ts')).down,
  },
  {
    path: ['completion'],
    args: '<shell>',
    summary: 'Print what completes commands, options and names in a shell',
    load: async () => (await import('./completion.ts')).completion,
  },
  {
    path: ['complete'],
    args: '[words...]',
    summary: 'Say how a command line may go on (for the script of `sluice completion`)',
    load: async () => (await import('./complete.ts')).complete,
  },
];
