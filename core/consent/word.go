package consent

import (
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// What holds of a purpose, as the ledger and conditions name it.
const (
	Granted   = "GRANTED"
	Denied    = "DENIED"    // a no of somebody who had not agreed before
	Pending   = "PENDING"   // a yes that waits for its confirmation
	Withdrawn = "WITHDRAWN" // a no of somebody who had agreed, or who asked for it to end
	Expired   = "EXPIRED"   // a yes whose time is over
	Unknown   = "UNKNOWN"   // nothing was said
)

// Statuses lists them all.
func Statuses() []string {
	return []string{Granted, Denied, Pending, Withdrawn, Expired, Unknown}
}

// strictness orders the statuses; what is not listed is the least strict.
var strictness = map[string]int{Withdrawn: 5, Denied: 4, Expired: 3, Pending: 2, Granted: 1}

// Strictness returns the rank of a status: where the parts of a person disagree, the
// one with the greatest holds. UNKNOWN is 0.
func Strictness(status string) int { return strictness[status] }

// No reports whether a status is a person's refusal.
func No(status string) bool { return status == Withdrawn || status == Denied }

// The channels that something may be sent over, "" being all of them.
const (
	Email   = "EMAIL"
	SMS     = "SMS"
	Push    = "PUSH"
	WebChat = "WEB_CHAT"
	InApp   = "IN_APP"
	Webhook = "WEBHOOK"
)

// Channels lists them.
func Channels() []string { return []string{Email, SMS, Push, WebChat, InApp, Webhook} }

// Word is what holds for a person about one purpose and channel.
type Word struct {
	Purpose   string
	Channel   string // "" is every channel
	Status    string
	At        time.Time // when it was said
	ExpiresAt time.Time // when the status changes by itself; zero: never
	Entry     string    // con_…: the entry of the ledger that says so
	Recorded  bool      // recorded with evidence; else a preference that came with an event
	Confirmed bool      // the person confirmed it (double opt-in)
}

// Then returns the word as it is at an instant: once its time is over, EXPIRED.
func (w Word) Then(now time.Time) Word {
	switch {
	case w.Status != Granted && w.Status != Pending:
		w.ExpiresAt = time.Time{}
	case !w.ExpiresAt.IsZero() && !now.Before(w.ExpiresAt):
		w.Status, w.ExpiresAt = Expired, time.Time{}
	}
	return w
}

// Verdict is the answer to "may this person's data be used for this?".
type Verdict struct {
	Allowed bool
	Reason  string // one of the reasons below
	Words   []Word // those that decided; none where nothing was said
}

// The reasons of verdicts.
const (
	ReasonGranted         = "CONSENT_GRANTED"
	ReasonNotRequired     = "CONSENT_NOT_REQUIRED"     // the legal basis needs no consent, and nobody objected
	ReasonOptOut          = "OPT_OUT_JURISDICTION"     // opt-out applies, and nobody objected
	ReasonNoObjection     = "OBJECTION_DOES_NOT_APPLY" // there is a no, but the legal basis knows no objection
	ReasonUnknown         = "CONSENT_UNKNOWN"
	ReasonDenied          = "CONSENT_DENIED"
	ReasonWithdrawn       = "CONSENT_WITHDRAWN"
	ReasonExpired         = "CONSENT_EXPIRED"
	ReasonPending         = "CONSENT_PENDING"
	ReasonNoEvidence      = "CONSENT_WITHOUT_EVIDENCE" // the purpose needs evidence, and the yes has none
	ReasonUnconfirmed     = "CONSENT_UNCONFIRMED"      // the purpose needs double opt-in, and the yes was not confirmed
	ReasonSuppressed      = "SUPPRESSED_ERASURE"       // the person was erased, and has not agreed anew
	ReasonRestricted      = "RESTRICTED"               // processing is restricted
	ReasonUnknownPurpose  = "UNKNOWN_PURPOSE"
	ReasonArchivedPurpose = "PURPOSE_ARCHIVED"
)

// EntryID returns the id of the ledger's entry that an event (evt_…) is.
func EntryID(event string) string {
	_, rest, _ := strings.Cut(event, "_")
	return core.PrefixConsent + "_" + rest
}

// PreferenceID returns the id of the entry that the preference about a purpose is,
// which came with an event (evt_…): "con_…" and the purpose after a dot.
func PreferenceID(event, purpose string) string { return EntryID(event) + "." + purpose }

// EventID returns the id of the event that an entry of the ledger (con_…) is, or came
// with.
func EventID(entry string) string {
	_, rest, _ := strings.Cut(entry, "_")
	rest, _, _ = strings.Cut(rest, ".")
	return core.PrefixEvent + "_" + rest
}
