import type { CheckRunReport, DeploymentReport } from '../core/source-control/report-types.ts';

/**
 * The service that keeps the repository and shows people what becomes of a change: deployments, checks, one
 * comment. Every call converges: it finds what an earlier one made by its key, brings it up to date, and makes
 * it only where there is none. Proven by `test/contracts/source-control.spec.ts`.
 */
export interface CodeHost {
  readonly name: string;
  /**
   * Say how a deployment stands. The same release, environment and commit are the same deployment; a status that is
   * already the newest is not said again.
   * @throws as `check`.
   */
  deployment(report: DeploymentReport): Promise<HostRef>;
  /**
   * Say how a check of a commit stands. The same name and commit are the same check. Annotations beyond what
   * the service takes are counted in the summary, never dropped unsaid.
   * @throws UserError `HOST_DENIED`, `HOST_NOT_FOUND`, `HOST_REFUSED` | OutsideError `HOST_UNREACHABLE`, `HOST_BUSY`.
   */
  check(report: CheckRunReport): Promise<HostRef>;
  /** Numbers of the change requests that a commit came, or is to come, by. @throws as `check`. */
  changesOf(commit: string): Promise<readonly number[]>;
  /** One comment of a change request per key, replaced in place. @throws as `check`. */
  comment(report: CommentReport): Promise<HostRef>;
  /** Answer a run that waits for us before it deploys. Answering again is refused by the service, and taken as done. @throws as `check`. */
  protection(answer: ProtectionAnswer): Promise<void>;
}

export interface HostRef {
  readonly id: number;
  /** Where people see it; null where the service does not say. */
  readonly url: string | null;
  /** What had to be done: nothing, when it was so already. */
  readonly done: 'created' | 'updated' | 'nothing';
}

export interface CommentReport {
  /** Number of the pull request. */
  readonly change: number;
  /** Which of our comments it is. */
  readonly key: string;
  /** Markdown. */
  readonly body: string;
}

export interface ProtectionAnswer {
  readonly run: number;
  readonly environment: string;
  readonly state: 'approved' | 'rejected';
  readonly comment: string;
}

/** Something the service tells us, verified. */
export type HostEvent =
  | { readonly kind: 'push'; readonly delivery: string; readonly ref: string; readonly commit: string; readonly by: string }
  | {
      readonly kind: 'change';
      readonly delivery: string;
      readonly action: string;
      readonly number: number;
      readonly commit: string;
      /** The branch is in another repository: its code is not trusted. */
      readonly isFork: boolean;
    }
  | {
      readonly kind: 'protection';
      readonly delivery: string;
      readonly run: number;
      readonly environment: string;
      readonly commit: string | null;
    }
  /** Verified, and of no interest to us. */
  | { readonly kind: 'other'; readonly delivery: string; readonly name: string };
