// Who holds an account, and its statement: a read model (projections/statement.js) that is a moment behind the events.
export function statements(pool) {
  return {
    /** Both names: the version before reads the one, this version the other. */
    register: (account) =>
      pool.query('INSERT INTO holder (account, name, display_name) VALUES ($1, $1, initcap($1)) ON CONFLICT (account) DO NOTHING', [
        account,
      ]),
    /** Null where nobody holds such an account. */
    async read(account) {
      // While the version before writes too, there are holders without a display name.
      const { rows } = await pool.query(
        `SELECT coalesce(h.display_name, initcap(h.name)) AS name, s.balance, s.movements, s.largest
           FROM holder h LEFT JOIN statement s ON s.key = h.account WHERE h.account = $1`,
        [account],
      );
      const [row] = rows;
      if (row === undefined) return null;
      return { name: row.name, balance: Number(row.balance), movements: row.movements ?? 0, largest: Number(row.largest) };
    },
  };
}
