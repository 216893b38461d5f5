import type { CheckRequest } from '../core/gates/check-request.ts';
import type { CheckReport } from '../core/gates/report.ts';

/** Runs an app's checks on one state of its sources, and judges by its gates. Without a control plane just as with one. */
export interface Checks {
  /**
   * Run what has not passed before on the same inputs, read the reports, apply the gates. May be repeated:
   * evidence is kept by fingerprint, and a check that was cut off is run again. Never throws because evidence
   * is bad or missing: that is a report with the verdict `failed`. When the caller dies, the commands die too.
   * @throws UserError `CHECKS_UNKNOWN_APP`, `COMMIT_UNKNOWN`, `CONFIG_*` | OutsideError `DISK_FULL`, `SOURCE_FAILED`;
   *   the signal's reason when it fires.
   */
  run(request: CheckRequest, signal: AbortSignal): Promise<CheckReport>;
}
