export type Occasion = 'approval' | 'breakGlass' | 'rollbackFailed' | 'rollbackRefused';

export interface Notice {
  /** Of this occasion of this release: equal keys are one notice. */
  readonly key: string;
  readonly occasion: Occasion;
  readonly release: string;
  readonly environment: string;
  readonly apps: readonly string[];
  /** One sentence. */
  readonly title: string;
  /** What to do, a command. */
  readonly action: string;
  /** ms since epoch */
  readonly at: number;
}
