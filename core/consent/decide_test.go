package consent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func TestDecide(t *testing.T) {
	r := newRegister([]Purpose{
		{Key: "news", Parent: Marketing, LegalBasis: BasisConsent, ConsentRequired: true, EvidenceRequired: true, DoubleOptIn: true},
		{Key: "old", LegalBasis: BasisContract, Archived: true},
	}, Settings{Jurisdictions: []Jurisdiction{{Country: "US", Purpose: Marketing, Rule: OptOut}, {Country: "US-CA", Rule: OptIn}}})
	word := func(purpose, channel, status string, minutes int) Word {
		return Word{Purpose: purpose, Channel: channel, Status: status, At: at(minutes)}
	}
	for name, c := range map[string]struct {
		words            []Word
		country          string
		purpose, channel string
		allowed          bool
		reason           string
	}{
		"nothing said, opt-in":                  {purpose: Marketing, reason: ReasonUnknown},
		"nothing said, opt-out":                 {purpose: Marketing, country: "US", allowed: true, reason: ReasonOptOut},
		"a region of its own":                   {purpose: Marketing, country: "US-CA", reason: ReasonUnknown},
		"a region without a rule":               {purpose: Marketing, country: "US-TX", allowed: true, reason: ReasonOptOut},
		"opt-out of another purpose":            {purpose: Personalisation, country: "US", reason: ReasonUnknown},
		"a no under opt-out":                    {words: []Word{word(Marketing, "", Withdrawn, 0)}, country: "US", purpose: Marketing, reason: ReasonWithdrawn},
		"unknown purpose":                       {purpose: "nothing", reason: ReasonUnknownPurpose},
		"archived":                              {purpose: "old", reason: ReasonArchivedPurpose},
		"contract":                              {purpose: Operations, allowed: true, reason: ReasonNotRequired},
		"no objection to a contract":            {words: []Word{word(Operations, "", Denied, 0)}, purpose: Operations, allowed: true, reason: ReasonNoObjection},
		"objection to legitimate interests":     {words: []Word{word(Analytics, "", Denied, 0)}, purpose: Analytics, reason: ReasonDenied},
		"granted":                               {words: []Word{word(Marketing, "", Granted, 0)}, purpose: Marketing, channel: SMS, allowed: true, reason: ReasonGranted},
		"granted on another channel":            {words: []Word{word(Marketing, Email, Granted, 0)}, purpose: Marketing, channel: SMS, reason: ReasonUnknown},
		"granted on any channel":                {words: []Word{word(Marketing, Email, Granted, 0)}, purpose: Marketing, allowed: true, reason: ReasonGranted},
		"one of two channels":                   {words: []Word{word(Marketing, Email, Granted, 0), word(Marketing, SMS, Withdrawn, 1)}, purpose: Marketing, allowed: true, reason: ReasonGranted},
		"no to all after yes to one":            {words: []Word{word(Marketing, Email, Granted, 0), word(Marketing, "", Withdrawn, 1)}, purpose: Marketing, channel: Email, reason: ReasonWithdrawn},
		"no to all at the time of yes to one":   {words: []Word{word(Marketing, Email, Granted, 1), word(Marketing, "", Withdrawn, 1)}, purpose: Marketing, channel: Email, reason: ReasonWithdrawn},
		"yes to one after no to all":            {words: []Word{word(Marketing, Email, Granted, 2), word(Marketing, "", Withdrawn, 1)}, purpose: Marketing, channel: Email, allowed: true, reason: ReasonGranted},
		"yes to all after no to one":            {words: []Word{word(Marketing, Email, Withdrawn, 0), word(Marketing, "", Granted, 1)}, purpose: Marketing, channel: Email, reason: ReasonWithdrawn},
		"a no to the parent":                    {words: []Word{word(Marketing, "", Withdrawn, 0), word(Personalisation, "", Granted, 1)}, purpose: Personalisation, reason: ReasonWithdrawn},
		"a yes to the parent":                   {words: []Word{word(Marketing, "", Granted, 0)}, purpose: Personalisation, reason: ReasonUnknown},
		"a no to the child":                     {words: []Word{word(Marketing, "", Granted, 0), word(Personalisation, "", Withdrawn, 1)}, purpose: Marketing, allowed: true, reason: ReasonGranted},
		"pending":                               {words: []Word{word(Marketing, "", Pending, 0)}, purpose: Marketing, reason: ReasonPending},
		"expired by its time":                   {words: []Word{{Purpose: Marketing, Status: Granted, At: at(-9), ExpiresAt: at(10)}}, purpose: Marketing, reason: ReasonExpired},
		"not expired yet":                       {words: []Word{{Purpose: Marketing, Status: Granted, At: at(-9), ExpiresAt: at(10).Add(time.Millisecond)}}, purpose: Marketing, allowed: true, reason: ReasonGranted},
		"a yes without evidence":                {words: []Word{word("news", "", Granted, 0)}, purpose: "news", reason: ReasonNoEvidence},
		"a yes without confirmation":            {words: []Word{{Purpose: "news", Status: Granted, At: at(0), Recorded: true}}, purpose: "news", reason: ReasonUnconfirmed},
		"a confirmed yes":                       {words: []Word{{Purpose: "news", Status: Granted, At: at(0), Recorded: true, Confirmed: true}}, purpose: "news", allowed: true, reason: ReasonGranted},
		"objection on one channel, any asked":   {words: []Word{word(Analytics, Email, Denied, 0)}, purpose: Analytics, allowed: true, reason: ReasonNotRequired},
		"objection on one channel, that asked":  {words: []Word{word(Analytics, Email, Denied, 0)}, purpose: Analytics, channel: Email, reason: ReasonDenied},
		"only noes, any channel asked":          {words: []Word{word(Marketing, Email, Withdrawn, 0)}, purpose: Marketing, reason: ReasonWithdrawn},
		"two words on one thing, the strictest": {words: []Word{word(Marketing, "", Granted, 5), word(Marketing, "", Withdrawn, 0)}, purpose: Marketing, reason: ReasonWithdrawn},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.Decide(c.words, c.country, c.purpose, c.channel, at(10))
			require.Equal(t, c.allowed, got.Allowed)
			require.Equal(t, c.reason, got.Reason)
		})
	}
}

func TestRegister(t *testing.T) {
	r := DefaultRegister()
	require.Equal(t, []string{Personalisation, Marketing}, r.Chain(Personalisation))
	require.Equal(t, []string{Support}, r.Children(Operations))
	require.Equal(t, OptIn, r.Rule("US", Marketing))
	require.Nil(t, r.Purpose("nothing"))
	require.Len(t, r.Keys(), len(Builtin()))
	require.Equal(t, "US-CA", Country(" us-ca "))
	require.Empty(t, Country("Romania"))
}
