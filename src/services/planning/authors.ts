import { namesOfAuthors } from '../../core/access/authors.ts';
import type { Governance } from '../../core/access/governance.ts';
import { appNode, isPattern, type ProjectGraph } from '../../core/changes/project.ts';
import { reachable } from '../affected/workspace.ts';
import { type Plan, type PlannedApp, withHash } from '../../core/release/plan/plan.ts';

/** Who wrote what lies between two commits; an adapter of the source control has it. */
export type AuthorsBetween = (change: {
  readonly from: string | null;
  readonly to: string;
  readonly paths: readonly string[];
}) => Promise<readonly { readonly name: string; readonly email: string }[]>;

export interface AuthorsInput {
  readonly governance: Governance | undefined;
  readonly authors: AuthorsBetween;
  /** What the apps are made from; asked only when it matters. */
  graph(): Promise<ProjectGraph | null>;
  /** Commit that the app's new version is from; null: not known. */
  commitOf(app: PlannedApp): string | null;
}

/** The plan with the people who wrote what is new in it: they cannot approve it. An emergency asks only for somebody else. */
export async function withAuthors(plan: Plan, { governance, authors, graph, commitOf }: AuthorsInput): Promise<Plan> {
  const { approval } = plan;
  if (approval === undefined || plan.breakGlass !== undefined || governance === undefined || governance.byAuthors) return plan;
  const parts = await graph();
  const found = await Promise.all(
    plan.apps.map(async (app) => {
      const to = commitOf(app);
      return to === null ? [] : authors({ from: app.stable?.commit ?? null, to, paths: madeFrom(app, parts) });
    }),
  );
  const names = new Set([...approval.authors, ...namesOfAuthors(found.flat(), governance.otherNames)]);
  return withHash({ ...plan, approval: { ...approval, authors: [...names].toSorted() } });
}

/** Its folder, those of the projects that it needs, and the single files that their builds read. */
function madeFrom({ app, path }: PlannedApp, graph: ProjectGraph | null): string[] {
  if (graph === null) return [path];
  const parts = [...reachable(graph, [appNode(app)]).values()];
  const found = parts.flatMap((part) => [part.path, ...part.inputs.map((input) => input.path), ...part.edges.map(({ via }) => via)]);
  return [...new Set([path, ...found])].filter((one) => !isPattern(one)).toSorted();
}
