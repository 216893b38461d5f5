/** Schemas that are not the user's, as an SQL list. None has the name of a role: `"$user"` stands in most search paths. */
export const NOT_THEIRS = "('information_schema', 'sluice_migrations', 'sluice_projections', 'sluice_backup')";
