package profile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

// status returns what holds for a purpose, "UNKNOWN" when nothing was said.
func status(p *Profile, purpose string) string {
	for _, c := range p.Words(epoch) {
		if c.Purpose == purpose {
			return c.Status
		}
	}
	return "UNKNOWN"
}

func TestLatestConsentHolds(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Page, user("u"), minute(10), consentSaid("ads", true, "mail", false, "junk", "yes")))
	f.send(f.in(event.Page, user("u"), minute(5), consentSaid("ads", false)))
	p := f.must(UserID, "u")
	require.Equal(t, consent.Granted, status(p, "ads"), "an older word that comes late changes nothing")
	require.Equal(t, consent.Denied, status(p, "mail"), "a first no takes nothing back")
	require.Equal(t, "UNKNOWN", status(p, "junk"))
	f.send(f.in(event.Page, user("u"), minute(10), consentSaid("ads", false), msg("a tie")))
	require.Equal(t, consent.Withdrawn, status(f.must(UserID, "u"), "ads"), "of two at one time the stricter holds")
	f.exact()
}

func TestConsentAcrossAMerge(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Page, user("ana"), minute(20), consentSaid("ads", true)))
	f.send(f.in(event.Page, user("ben"), minute(10), consentSaid("ads", false)))
	m := f.merge(ana, ben)
	p := f.must(UserID, "ana")
	require.Equal(t, consent.Denied, status(p, "ads"), "a no over GRANTED, although it is older")
	f.send(f.in(event.Page, user("ana"), minute(30), consentSaid("ads", true)))
	p = f.must(UserID, "ana")
	require.Equal(t, consent.Granted, status(p, "ads"), "later consent covers the whole profile")
	require.Len(t, p.Words(epoch), 1)
	f.exact()
	f.unmerge(m)
	require.Equal(t, consent.Granted, status(f.must(UserID, "ana"), "ads"))
	require.Equal(t, consent.Denied, status(f.must(UserID, "ben"), "ads"), "what ana said no longer covers ben")
	f.exact()
}

func TestConsentBeforeAMergeCoversOnlyWhatTheProfileHadThen(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Page, user("ana"), minute(20), consentSaid("ads", false)))
	f.send(f.in(event.Identify, user("cat")))
	cat := f.must(UserID, "cat")
	m1 := f.merge(ana, ben)
	f.send(f.in(event.Page, user("ben"), minute(30), consentSaid("mail", true)))
	f.merge(cat, ana)
	f.exact()
	f.unmerge(m1) // ana was cat's by then: ben leaves alone
	require.Equal(t, consent.Granted, status(f.must(UserID, "ben"), "mail"))
	require.Equal(t, "UNKNOWN", status(f.must(UserID, "ben"), "ads"))
	require.Equal(t, consent.Denied, status(f.must(UserID, "ana"), "ads"))
	require.Equal(t, "UNKNOWN", status(f.must(UserID, "ana"), "mail"))
	f.exact()
}
