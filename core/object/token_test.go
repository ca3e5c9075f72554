package object

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// numbers draws literals of all sizes, near each other often.
var numbers = rapid.OneOf(
	rapid.Map(rapid.Int64(), func(n int64) string { return big.NewInt(n).String() }),
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?`),
	rapid.StringMatching(`-?[1-9](\.[0-9]{0,30}[1-9])?e-?[0-9]{1,3}`),
	rapid.StringMatching(`-?(10|100|99|999|0\.1|0\.11|0\.09)`),
)

func TestTokensOfNumbersAreOrderedLikeNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		n, okN := parseNum(a)
		m, okM := parseNum(b)
		require.True(t, okX && okY && okN && okM, "%s %s", a, b)
		require.Equal(t, x.Cmp(y), strings.Compare(n.token(), m.token()), "%s %s: %s %s", a, b, n.token(), m.token())
		v, ok := n.value()
		require.True(t, ok)
		again, ok := numOf(v)
		require.True(t, ok)
		require.Equal(t, n, again, "the stored value is the number")
	})
}

func TestStoredNumbersHaveOneForm(t *testing.T) {
	for _, same := range [][]string{{"5", "5.0", "50e-1", "0.5e1"}, {"0", "-0", "0.00", "0e10"}, {"1e2", "100"}, {"12345678901234567890.5", "1234567890123456789.05e1"}} {
		var first bson.RawValue
		for i, lit := range same {
			n, ok := parseNum(lit)
			require.True(t, ok, lit)
			v, ok := n.value()
			require.True(t, ok, lit)
			if i == 0 {
				first = v
			}
			require.Equal(t, first, v, lit)
		}
	}
	for _, lit := range []string{"", "-", ".5", "5.", "1e", "NaN", "0x10", "1e99999", "12345678901234567890123456789012345", "+1", " 1"} {
		_, ok := parseNum(lit)
		require.False(t, ok, lit)
	}
}

func TestTokensOfTextsAreOrderedLikeTexts(t *testing.T) {
	chars := rapid.SampledFrom([]rune{'a', 'b', 'é', '€', '\U0001F600', '\U0010FFFF', 1})
	texts := rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat("x", rapid.IntRange(55, 64).Draw(t, "same")) + rapid.StringOfN(chars, 0, 8, -1).Draw(t, "tail")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
		if c := strings.Compare(a, b); c <= 0 {
			require.LessOrEqual(t, textToken(a), textToken(b))
		} else {
			require.GreaterOrEqual(t, textToken(a), textToken(b))
		}
		if len(a) < maxTokenText && a != b {
			require.NotEqual(t, textToken(a), textToken(b), "a short text has a token of its own")
		}
	})
}
