package klaviyo

import (
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// refusals are what the vendor's reasons for a suppression mean.
var refusals = map[string]string{
	"HARD_BOUNCE": sdk.ReasonHardBounce, "INVALID_EMAIL": sdk.ReasonHardBounce, "SPAM_COMPLAINT": sdk.ReasonComplaint,
	"USER_SUPPRESSED": sdk.ReasonManual, "UNSUBSCRIBE": sdk.ReasonUnsubscribe,
}

// withdrawals is what a profile tells of its person's no, to each channel. What was a yes
// is not told: nothing here says whether it is one that the host itself carried over.
func (p profile) withdrawals() []sdk.ConsentChange {
	known := p.Attributes.Subscriptions
	if known == nil {
		return nil
	}
	var out []sdk.ConsentChange
	tell := func(channel, reason, source string, at time.Time) {
		who := p.namespaces()
		if who[namespace(channel)] == "" {
			return
		}
		out = append(out, sdk.ConsentChange{
			Key:         strings.Join([]string{p.ID, channel, reason, at.UTC().Format(time.RFC3339Nano)}, " "),
			Identifiers: who, Channel: channel, At: at, Source: source, Reason: reason,
		})
	}
	said := false // by a suppression already
	for _, each := range known.Email.Marketing.Suppressions {
		reason, is := refusals[each.Reason]
		if !is {
			reason = sdk.ReasonManual
		}
		said = said || reason == sdk.ReasonUnsubscribe
		tell("EMAIL", reason, "suppression", each.At)
	}
	if m := known.Email.Marketing; m.Consent == "UNSUBSCRIBED" && !said {
		tell("EMAIL", sdk.ReasonUnsubscribe, "unsubscribe", moment(m.At))
	}
	if m := known.SMS.Marketing; m.Consent == "UNSUBSCRIBED" {
		tell("SMS", sdk.ReasonUnsubscribe, "unsubscribe", moment(m.At))
	}
	return out
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
