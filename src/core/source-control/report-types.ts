export interface DeploymentReport {
  /** Full commit id. */
  readonly commit: string;
  readonly environment: string;
  /** Id of our release. */
  readonly release: string;
  readonly state: 'queued' | 'in_progress' | 'success' | 'failure' | 'error' | 'inactive';
  readonly description: string;
  /** Where the environment answers, and where the release can be followed. */
  readonly environmentUrl: string | null;
  readonly logUrl: string | null;
  readonly isProduction: boolean;
  /** It will go away: a preview. */
  readonly isTransient: boolean;
}

export interface CheckRunReport {
  readonly commit: string;
  readonly name: string;
  /** Null while it runs. */
  readonly conclusion: 'success' | 'failure' | 'neutral' | 'cancelled' | 'skipped' | 'timed_out' | 'action_required' | null;
  readonly title: string;
  /** Markdown. */
  readonly summary: string;
  readonly annotations: readonly Annotation[];
  readonly detailsUrl: string | null;
}

export interface Annotation {
  /** In the repository, POSIX separators. */
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly level: 'notice' | 'warning' | 'failure';
  readonly message: string;
  readonly title: string | null;
}
