package policies_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// table is the default policy written down a second time, by hand: for each role and
// each purpose a letter for each category, in the order of the heading. A: allowed,
// s: a pseudonym, p: a part, -: denied. A role that is not listed for a purpose is
// denied everything there.
const table = `
             IDENTIFIER CONTACT DEMOGRAPHIC BEHAVIOUR TRANSACTION LOCATION DEVICE INFERRED CONSENT FREE_TEXT SPECIAL UNCLASSIFIED
owner        operations support analytics marketing advertising personalisation compliance security : A A A A A A A A A A A A
admin        operations support analytics marketing advertising personalisation compliance security : A A A A A A A A A A A A
compliance   operations support compliance                                                          : A A A A A A A A A A A A
marketer     operations support analytics marketing advertising personalisation                     : A A A A A A A A A - - -
analyst      operations support analytics                                                           : s s A A A - A A A - - -
support      operations support                                                                     : A p - A A p - - A - - -
developer    operations support                                                                     : s s - A - - A - - - - -
connector    operations support marketing advertising personalisation                               : A A A A A A A A A - - -
write                                                                                               : - - - - - - - - - - - -
`

var permissions = map[string]string{
	"owner": "read ingest design change manage govern audit consent connect review send engage", "admin": "read ingest design change manage govern audit consent connect review send engage",
	"compliance": "read audit govern consent review", "marketer": "read design review send engage", "analyst": "read", "support": "read consent engage",
	"developer": "read ingest design connect", "connector": "read ingest", "write": "ingest",
}

func letter(d core.Decision) string {
	switch {
	case d.Effect == core.Allow:
		return "A"
	case d.Effect == core.Mask && d.Form == core.Pseudonym:
		return "s"
	case d.Effect == core.Mask && d.Form == core.Partial:
		return "p"
	}
	return "-"
}

// Every role, purpose, category and permission by the default policy.
func TestDefaultTable(t *testing.T) {
	h := setup(t)
	lines := strings.Split(strings.TrimSpace(table), "\n")
	categories := strings.Fields(lines[0])
	require.Len(t, categories, len(core.Categories)-1)
	seen, asked := 0, 0
	for _, line := range lines[1:] {
		left, right, _ := strings.Cut(line, ":")
		words, want := strings.Fields(left), strings.Fields(right)
		role := words[0]
		seen++
		for _, purpose := range h.purposes.reg.Keys() {
			for i, category := range categories {
				expect := "-"
				for _, p := range words[1:] {
					if p == purpose {
						expect = want[i]
					}
				}
				d := h.decision(t, []string{role}, category, purpose)
				require.Equal(t, expect, letter(d), "%s reads %s for %s: %+v", role, category, purpose, d)
				require.Equal(t, d.Effect == core.Allow, d.Withheld == "", "%s %s %s", role, category, purpose)
				asked++
			}
			for _, p := range access.Permissions {
				d := h.decision(t, []string{role}, string(p), purpose)
				expect := strings.Contains(" "+permissions[role]+" ", " "+string(p)+" ")
				require.Equal(t, expect, d.Allowed(), "%s may %s for %s", role, p, purpose)
				require.Equal(t, expect, access.Allow(actor(h.ws, role), p) == nil, "the built-in permissions say something else: %s %s", role, p)
				asked++
			}
		}
	}
	require.Equal(t, len(access.Roles), seen)
	require.Equal(t, 9*len(h.purposes.reg.Keys())*24, asked)
	require.GreaterOrEqual(t, asked, 9*7*20)
}

func TestWithheldReasons(t *testing.T) {
	h := setup(t)
	for _, c := range []struct{ role, target, purpose, want string }{
		{"marketer", "CONTACT", "security", core.WithheldPurpose},
		{"marketer", "SPECIAL", "marketing", core.WithheldRole},
		{"marketer", "UNCLASSIFIED", "marketing", core.WithheldUnclassified},
		{"analyst", "CONTACT", "analytics", core.WithheldRole},
		{"analyst", "DEVICE", "marketing", core.WithheldPurpose},
		{"owner", "SPECIAL", "mistyped", core.WithheldPurpose},
		{"nobody", "CONTACT", "operations", core.WithheldRole},
	} {
		d := h.decision(t, []string{c.role}, c.target, c.purpose)
		require.NotEqual(t, core.Allow, d.Effect)
		require.Equal(t, c.want, d.Withheld, "%+v", c)
	}
	v, err := h.View(t.Context(), h.ws, nil, "operations")
	require.NoError(t, err)
	for _, d := range v.Data {
		require.Equal(t, core.Deny, d.Effect, "nobody reads nothing")
	}
	for _, d := range v.Permissions {
		require.Equal(t, core.Deny, d.Effect)
	}
	v, err = h.View(t.Context(), h.ws, []string{"owner"}, "mistyped")
	require.NoError(t, err)
	require.Equal(t, "mistyped", v.Purpose)
	require.True(t, v.Permits("manage").Allowed())
}
