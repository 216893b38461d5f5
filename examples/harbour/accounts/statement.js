// Who holds an account, and its statement: a read model (projections/statement.js) that is a moment behind the events.
export function statements(pool) {
  return {
    register: (account) => pool.query('INSERT INTO holder (account, name) VALUES ($1, $1) ON CONFLICT (account) DO NOTHING', [account]),
    /** Null where nobody holds such an account. */
    async read(account) {
      const { rows } = await pool.query(
        'SELECT h.name, s.balance, s.movements FROM holder h LEFT JOIN statement s ON s.key = h.account WHERE h.account = $1',
        [account],
      );
      const [row] = rows;
      return row === undefined ? null : { name: row.name, balance: Number(row.balance), movements: row.movements ?? 0 };
    },
  };
}
