package segment

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListsAreWalkedSideBySide(t *testing.T) {
	for in, want := range map[string]string{
		"|":       "",
		"abc|":    "a- b- c-",
		"|abc":    "-a -b -c",
		"ace|bcd": "a- -b cc -d e-",
		"bz|abcz": "-a bb -c zz",
		"abc|abc": "aa bb cc",
	} {
		left, right, _ := strings.Cut(in, "|")
		var got []string
		show := func(s *string) string {
			if s == nil {
				return "-"
			}
			return *s
		}
		beside(split(left), split(right), func(s *string) string { return *s }, func(a, b *string) { got = append(got, show(a)+show(b)) })
		require.Equal(t, want, strings.Join(got, " "), in)
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "")
}
