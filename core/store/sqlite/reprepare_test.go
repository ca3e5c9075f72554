package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	lib "modernc.org/sqlite/lib"
)

// TestStatementsAreCompiledOnce: binding another limit does not have SQLite compile the
// statement again.
func TestStatementsAreCompiledOnce(t *testing.T) {
	c, err := openConn(filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	defer c.close()
	require.NoError(t, c.exec("CREATE TABLE x (a, b)"))
	require.NoError(t, c.exec("CREATE INDEX i ON x (a, b) WHERE b IS NOT NULL"))
	require.NoError(t, c.exec("INSERT INTO x VALUES (1, 1), (1, 2), (1, 3)"))
	const query = "SELECT b FROM x INDEXED BY i WHERE a = ? AND b IS NOT NULL AND b >= ? ORDER BY b LIMIT ?"
	for n := range 3 {
		rows := 0
		require.NoError(t, c.each(query, func(*stmt) error { rows++; return nil }, 1, 1, n+1))
		require.Equal(t, n+1, rows)
	}
	s, err := c.prepare(query)
	require.NoError(t, err)
	require.Zero(t, lib.Xsqlite3_stmt_status(c.tls, s.p, lib.SQLITE_STMTSTATUS_REPREPARE, 0))
}
