package graph_test

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// What each role reads and may do, written down from the documentation a second time:
// nothing here knows of the rules that policies/ ships. "=" reads in clear, "~" has a
// pseudonym, "%" a part.
var table = map[string]struct {
	purposes string // under which it reads anything, those below them too; "*" is every one
	data     string
	may      string
}{
	access.Owner: {"*", "=IDENTIFIER =CONTACT =DEMOGRAPHIC =BEHAVIOUR =TRANSACTION =LOCATION =DEVICE =INFERRED =CONSENT =FREE_TEXT =SPECIAL =UNCLASSIFIED",
		"read ingest design change manage govern audit consent"},
	access.Admin: {"*", "=IDENTIFIER =CONTACT =DEMOGRAPHIC =BEHAVIOUR =TRANSACTION =LOCATION =DEVICE =INFERRED =CONSENT =FREE_TEXT =SPECIAL =UNCLASSIFIED",
		"read ingest design change manage govern audit consent"},
	access.Compliance: {"compliance operations", "=IDENTIFIER =CONTACT =DEMOGRAPHIC =BEHAVIOUR =TRANSACTION =LOCATION =DEVICE =INFERRED =CONSENT =FREE_TEXT =SPECIAL =UNCLASSIFIED",
		"read audit govern consent"},
	access.Marketer:  {"marketing analytics operations", "=IDENTIFIER =CONTACT =DEMOGRAPHIC =BEHAVIOUR =TRANSACTION =LOCATION =DEVICE =INFERRED =CONSENT", "read design"},
	access.Analyst:   {"analytics operations", "=DEMOGRAPHIC =BEHAVIOUR =TRANSACTION =DEVICE =INFERRED =CONSENT ~IDENTIFIER ~CONTACT", "read"},
	access.Support:   {"support operations", "=IDENTIFIER =BEHAVIOUR =TRANSACTION =CONSENT %CONTACT %LOCATION", "read consent"},
	access.Developer: {"operations", "=BEHAVIOUR =DEVICE ~IDENTIFIER ~CONTACT", "read ingest design"},
	access.Connector: {"operations marketing", "=IDENTIFIER =CONTACT =DEMOGRAPHIC =BEHAVIOUR =TRANSACTION =LOCATION =DEVICE =INFERRED =CONSENT", "read ingest"},
	access.Write:     {"", "", "ingest"},
}

// parentOf are the purposes that every workspace begins with, and what each is below.
var parentOf = map[string]string{
	"operations": "", "support": "operations", "analytics": "", "marketing": "", "personalisation": "marketing", "compliance": "", "security": "",
}

// reads returns what the table says of a role, a purpose and a category: ALLOW, MASK
// with its form, or DENY.
func reads(role, purpose string, c core.Category) core.Decision {
	if c == core.None {
		return core.Decision{Effect: core.Allow}
	}
	row := table[role]
	under := row.purposes == "*"
	for p := purpose; p != "" && !under; p = parentOf[p] {
		under = slices.Contains(strings.Fields(row.purposes), p)
	}
	if !under {
		return core.Decision{Effect: core.Deny, Withheld: core.WithheldPurpose}
	}
	for _, word := range strings.Fields(row.data) {
		if word[1:] != string(c) {
			continue
		}
		switch word[0] {
		case '=':
			return core.Decision{Effect: core.Allow}
		case '~':
			return core.Decision{Effect: core.Mask, Form: core.Pseudonym, Withheld: core.WithheldRole}
		case '%':
			return core.Decision{Effect: core.Mask, Form: core.Partial, Withheld: core.WithheldRole}
		}
	}
	if c == core.Unclassified {
		return core.Decision{Effect: core.Deny, Withheld: core.WithheldUnclassified}
	}
	return core.Decision{Effect: core.Deny, Withheld: core.WithheldRole}
}

// tablePolicy answers by the table. Tests may take a category away from everybody.
type tablePolicy struct {
	mu     sync.Mutex
	denied map[core.Category]bool
	rev    int64
}

func (p *tablePolicy) deny(c core.Category) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.denied = map[core.Category]bool{c: true}
	p.rev++
}

// View implements access.Policy.
func (p *tablePolicy) View(_ context.Context, _ string, roles []string, purpose string) (*core.View, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if purpose == "" {
		purpose = access.DefaultPurpose
	}
	v := &core.View{Revision: p.rev, Purpose: purpose, Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{}}
	rank := map[core.Effect]int{core.Deny: 0, core.Mask: 1, core.Allow: 2}
	for _, role := range roles {
		for _, c := range core.Categories {
			d := reads(role, purpose, c)
			if p.denied[c] {
				d = core.Decision{Effect: core.Deny, Withheld: core.WithheldRole}
			}
			if old, ok := v.Data[c]; !ok || rank[d.Effect] > rank[old.Effect] {
				v.Data[c] = d
			}
		}
		for _, may := range strings.Fields(table[role].may) {
			v.Permissions[may] = core.Decision{Effect: core.Allow}
		}
	}
	return v, nil
}
