/** What a plan asks for where people have to agree. */
export interface PlannedApproval {
  /** How many people have to say yes, 1 or more. */
  readonly number: number;
  /** Who may: the people of these roles; no roles at all: anybody but the author. */
  readonly from: readonly { readonly role: string; readonly people: readonly string[] }[];
  /** From being asked for to the start of the first rollout, ms. */
  readonly expiresMs: number;
  /** Authors of the change besides the person who asks for the release, as far as they are known. */
  readonly authors: readonly string[];
}

export interface ApprovalState {
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly planHash: string;
  readonly given: readonly { readonly by: string; readonly at: number; readonly note: string | null }[];
  readonly rejected: { readonly by: string; readonly at: number; readonly reason: string } | null;
}

/** What an approval is judged by. A release's state has this shape. */
export interface Approvable {
  readonly by: string;
  readonly plan: { readonly hash: string; readonly approval?: PlannedApproval };
  readonly preparation: { readonly approval: ApprovalState | null };
}

export interface ApprovalRefusal {
  readonly code:
    | 'NOTHING_TO_APPROVE'
    | 'APPROVAL_EXPIRED'
    | 'APPROVAL_OF_OTHER_PLAN'
    | 'APPROVAL_BY_AUTHOR'
    | 'APPROVAL_GIVEN'
    | 'ROLE_MISSING';
  readonly message: string;
  readonly hint: string;
}

/** Whether two names mean one person: case, surrounding space and how letters are encoded make nobody another one. */
function isSamePerson(one: string, other: string): boolean {
  return personKey(one) === personKey(other);
}

/** Equal for what means one person. */
export function personKey(name: string): string {
  return name.normalize('NFKC').replaceAll(/\s+/g, ' ').trim().toLowerCase();
}

/**
 * Why this person's yes does not count (invariant 9), or null when it does. Asked when it is said, and again
 * when it is folded into the release's state.
 */
export function approvalRefusal(release: Approvable, by: string, planHash: string, at: number): ApprovalRefusal | null {
  const rule = release.plan.approval;
  const { approval } = release.preparation;
  if (rule === undefined || approval === null || approval.rejected !== null || isApproved(release))
    return refuse('NOTHING_TO_APPROVE', 'the release does not wait for approval', '`sluice approvals` lists those that do.');
  if (at >= approval.expiresAt)
    return refuse('APPROVAL_EXPIRED', 'the request for approval has expired', 'Deploy again: a new plan is made and asked for.');
  if (planHash !== release.plan.hash || planHash !== approval.planHash)
    return refuse(
      'APPROVAL_OF_OTHER_PLAN',
      'the plan that was looked at is not the one that waits',
      'Look at `sluice approvals` again, and approve what it shows.',
    );
  if ([release.by, ...rule.authors].some((author) => isSamePerson(author, by)))
    return refuse('APPROVAL_BY_AUTHOR', `${by} asked for it or wrote it, and cannot approve it`, 'Ask another person.');
  if (approval.given.some((one) => isSamePerson(one.by, by)))
    return refuse('APPROVAL_GIVEN', `${by} has approved it already`, `It needs ${rule.number} different people.`);
  if (!hasRole(rule, by)) {
    const roles = rule.from.map(({ role, people }) => `${role} (${people.join(', ') || 'nobody'})`).join(', ');
    return refuse('ROLE_MISSING', `${by} has none of the roles that may approve it`, `May: ${roles}.`);
  }
  return null;
}

export function isApproved({ plan, preparation }: Pick<Approvable, 'plan' | 'preparation'>): boolean {
  const { approval } = preparation;
  if (plan.approval === undefined) return true;
  return approval !== null && approval.rejected === null && approval.given.length >= plan.approval.number;
}

/** Who approves, in words: `2 of release-manager (ann, bob)`. */
export function approversText({ number, from }: PlannedApproval): string {
  const who =
    from.length === 0
      ? 'anybody but the author'
      : from.map(({ role, people }) => `${role} (${people.join(', ') || 'nobody'})`).join(' or ');
  return `${number} of ${who}`;
}

function hasRole({ from }: PlannedApproval, by: string): boolean {
  return from.length === 0 || from.some(({ people }) => people.some((person) => isSamePerson(person, by)));
}

function refuse(code: ApprovalRefusal['code'], message: string, hint: string): ApprovalRefusal {
  return { code, message, hint };
}
