package staging_test

import (
	"bufio"
	"encoding/csv"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
)

func TestAFileIsBoundedInBytes(t *testing.T) {
	text := strings.Repeat("x", 100_000)
	out, err := io.ReadAll(staging.Bound(strings.NewReader(text), staging.Limits{Bytes: 100_000}))
	require.NoError(t, err)
	require.Equal(t, text, string(out))
	_, err = io.ReadAll(staging.Bound(strings.NewReader(text), staging.Limits{Bytes: 99_999}))
	require.Equal(t, "FILE_TOO_LARGE", core.AsError(err).Reason)
	_, err = io.ReadAll(staging.Bound(strings.NewReader(text), staging.Limits{}))
	require.NoError(t, err)
}

// lines reads a text line by line, as long as that goes.
func lines(text string, limit int) (n int, err error) {
	b := staging.Bound(strings.NewReader(text), staging.Limits{Line: limit})
	r := bufio.NewReader(b)
	for {
		b.Begin()
		if _, err = r.ReadString('\n'); err != nil {
			return n, err
		}
		n++
	}
}

func TestLinesAreBounded(t *testing.T) {
	const limit = 64 << 10
	fits := strings.Repeat("x", limit-1) + "\n"
	for name, c := range map[string]struct {
		text   string
		n      int
		reason string
	}{
		"short":                      {strings.Repeat("x\n", 100_000), 100_000, ""},
		"as long as may be":          {fits + fits + "x\n" + fits, 4, ""},
		"the last without an end":    {fits + fits[:limit-1], 1, ""},
		"too long":                   {"x\n" + strings.Repeat("x", limit+3*4096) + "\n", 1, "LINE_TOO_LONG"},
		"too long behind long lines": {fits + fits + strings.Repeat("x", limit+3*4096) + "\n", 2, "LINE_TOO_LONG"},
		"without line ends":          {strings.Repeat("x", 10*limit), 0, "LINE_TOO_LONG"},
	} {
		n, err := lines(c.text, limit)
		require.Equal(t, c.n, n, name)
		if c.reason == "" {
			require.ErrorIs(t, err, io.EOF, name)
		} else {
			require.Equal(t, c.reason, core.AsError(err).Reason, name)
		}
	}
}

func TestAQuoteThatIsNeverClosedIsBounded(t *testing.T) {
	const limit = 10_000
	read := func(text string) (n int, err error) {
		b := staging.Bound(strings.NewReader(text), staging.Limits{Line: limit})
		r := csv.NewReader(b)
		for {
			b.Begin()
			if _, err = r.Read(); err != nil {
				return n, err
			}
			n++
		}
	}
	n, err := read(strings.Repeat("\"a\nb\",c\n", 10_000))
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 10_000, n)
	n, err = read("a,b\n\"a,b\n" + strings.Repeat("a,b\n", 10_000))
	require.Equal(t, "LINE_TOO_LONG", core.AsError(err).Reason)
	require.Equal(t, 1, n)
}
