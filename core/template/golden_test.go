package template

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/golden_skips.json anew")

// goldenPasses is how many of the 1,054 cases come out as they should. The others are
// listed, with reasons, in testdata/golden_skips.json.
const goldenPasses = 709

// goldenCase is a case of the golden test suite of Liquid.
type goldenCase struct {
	Name, Template string
	Data           map[string]any
	Templates      map[string]string
	Result         *string
	Results        []string
	Invalid        bool
}

func goldenCases(t *testing.T) []goldenCase {
	t.Helper()
	shared := os.Getenv("HEADWATER_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(shared, "specs", "liquid", "golden_liquid.json"))
	if err != nil {
		t.Skip("the golden cases of Liquid are not here: ", err)
	}
	var file struct{ Tests []goldenCase }
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	require.NoError(t, d.Decode(&file))
	return file.Tests
}

// run reports whether a case comes out as it should, and what came out.
func (c goldenCase) run(t *testing.T) (bool, string) {
	tpl, found := Parse(c.Template, Text, nil)
	if tpl == nil {
		return c.Invalid, "refused: " + found[0].Code
	}
	out, err := tpl.Render(t.Context(), Data{Roots: c.Data}, false)
	switch {
	case err != nil:
		return c.Invalid, "failed"
	case c.Invalid:
		return false, "accepted"
	case c.Result != nil:
		return out.Text == *c.Result, out.Text
	}
	return slices.Contains(c.Results, out.Text), out.Text
}

// The reasons for which a case is let be.
const (
	skipTag        = "a tag that is not offered: include and render read other sources (blocks do that, pinned); tablerow, liquid, #, increment, decrement, ifchanged, doc are of no use in a message"
	skipRange      = "a range outside of a for is refused, so that nobody fills the memory with it"
	skipStrict     = "what Ruby takes for 0 or passes through is an error here, so that nobody gets a wrong figure"
	skipSyntax     = "a form that is refused here: names in brackets only, line ends inside {{ }}, keywords before arguments, several elses, commas in for, offset: continue, cycle outside of a for, names of digits"
	skipArguments  = "the library does not count the arguments of filters, or compares what cannot be compared"
	skipWhitespace = "the library writes the white space of blocks that hold nothing else"
	skipText       = "a text has no carriage returns"
	skipOrder      = "the pairs of a map come in the order of their keys, so that a render is the same every time"
	skipLibrary    = "the library differs: numbers without their .0, nested lists, operators from left to right, blank and empty as values"
)

func (c goldenCase) reason(got string) string {
	switch {
	case strings.Contains(c.Template, "\r") && strings.HasPrefix(c.Name, "whitespace"):
		return skipText
	case got == "refused: "+CodeUnknownTag || len(c.Templates) > 0 || strings.Contains(c.Template, "liquid"):
		return skipTag
	case got == "refused: "+CodeRange:
		return skipRange
	case strings.HasPrefix(got, "refused:"):
		return skipSyntax
	case got == "failed":
		return skipStrict
	case got == "accepted":
		return skipArguments
	case c.Result != nil && strings.Join(strings.Fields(got), "") == strings.Join(strings.Fields(*c.Result), ""):
		return skipWhitespace
	case c.Result != nil && sameLetters(got, *c.Result):
		return skipOrder
	}
	return skipLibrary
}

func sameLetters(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return string(x) == string(y)
}

// TestGoldenLiquid runs the golden cases of Liquid and compares those that do not pass
// with the list of those that are let be.
func TestGoldenLiquid(t *testing.T) {
	passed, skips := 0, map[string][]string{}
	cases := goldenCases(t)
	for _, c := range cases {
		ok, got := c.run(t)
		if ok {
			passed++
			continue
		}
		reason := c.reason(got)
		skips[reason] = append(skips[reason], c.Name)
	}
	t.Logf("golden Liquid: %d of %d cases pass (%.1f %%)", passed, len(cases), 100*float64(passed)/float64(len(cases)))
	for _, reason := range slices.Sorted(maps.Keys(skips)) {
		slices.Sort(skips[reason])
		t.Logf("%4d: %s", len(skips[reason]), reason)
	}
	path := filepath.Join("testdata", "golden_skips.json")
	if *update {
		raw, err := json.MarshalIndent(skips, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(raw, '\n'), 0o600))
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var listed map[string][]string
	require.NoError(t, json.Unmarshal(raw, &listed))
	require.Equal(t, listed, skips, "cases that passed no longer do, or others do now: -update writes the list")
	require.Equal(t, goldenPasses, passed)
}
