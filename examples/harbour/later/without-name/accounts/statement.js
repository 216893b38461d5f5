// Who holds an account, and its statement: a read model (projections/statement.js) that is a moment behind the events.
export function statements(pool) {
  return {
    register: (account) =>
      pool.query('INSERT INTO holder (account, display_name) VALUES ($1, initcap($1)) ON CONFLICT (account) DO NOTHING', [account]),
    /** Null where nobody holds such an account. */
    async read(account) {
      // The version before opens accounts meanwhile, and gives them no display name.
      const { rows } = await pool.query(
        `SELECT coalesce(h.display_name, initcap(h.account)) AS name, s.balance, s.movements, s.largest
           FROM holder h LEFT JOIN statement s ON s.key = h.account WHERE h.account = $1`,
        [account],
      );
      const [row] = rows;
      if (row === undefined) return null;
      return { name: row.name, balance: Number(row.balance), movements: row.movements ?? 0, largest: Number(row.largest) };
    },
  };
}
