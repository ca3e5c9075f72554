package klaviyo

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// skew is how old, or how far ahead, a webhook may be.
const skew = 5 * time.Minute

// decision is what a topic says of a consent.
type decision struct {
	channel string
	granted bool
	source  string
	reason  string // of a no
}

var decisions = map[string]decision{
	"event:klaviyo.unsubscribed_from_email_marketing":        {"EMAIL", false, "unsubscribe", sdk.ReasonUnsubscribe},
	"event:klaviyo.manually_suppressed_from_email_marketing": {"EMAIL", false, "suppression", sdk.ReasonManual},
	"event:klaviyo.marked_email_as_spam":                     {"EMAIL", false, "complaint", sdk.ReasonComplaint},
	"event:klaviyo.unsubscribed_from_sms_marketing":          {"SMS", false, "unsubscribe", sdk.ReasonUnsubscribe},
	"event:klaviyo.subscribed_to_email_marketing":            {"EMAIL", true, "subscription", ""},
	"event:klaviyo.subscribed_to_sms_marketing":              {"SMS", true, "subscription", ""},
}

// delivery is the body of a webhook.
type delivery struct {
	Data []struct {
		ExternalID string `json:"external_id"`
		Topic      string `json:"topic"`
		Payload    struct {
			Data     happening         `json:"data"`
			Included []json.RawMessage `json:"included"`
		} `json:"payload"`
	} `json:"data"`
	Meta struct {
		Webhook string `json:"klaviyo_webhook_id"`
	} `json:"meta"`
}

// Receive implements sdk.Receiver: the signature is over the bytes and the time as they
// came, and the id in the body must be that of the header.
func (c *connection) Receive(_ context.Context, hook sdk.Webhook) (sdk.Received, error) {
	if c.config.WebhookSecret == "" {
		return sdk.Received{}, sdk.InvalidConfig("webhookSecret", "put in the secret of the webhook, or its messages cannot be believed")
	}
	stamp := hook.Header.Get("Klaviyo-Timestamp")
	mac := hmac.New(sha256.New, []byte(c.config.WebhookSecret))
	mac.Write(hook.Body)
	mac.Write([]byte(stamp))
	given, err := hex.DecodeString(hook.Header.Get("Klaviyo-Signature"))
	if err != nil || !hmac.Equal(mac.Sum(nil), given) {
		return sdk.Received{}, sdk.Unauthorized("the signature does not fit: compare webhookSecret with the webhook's secret_key").Because("BAD_SIGNATURE")
	}
	at, known := sentAt(stamp)
	if age := hook.At.Sub(at); !known || age > skew || age < -skew {
		return sdk.Received{}, sdk.Stale("the webhook was signed more than five minutes from now: it is old, or a clock is wrong")
	}
	var d delivery
	if err := decode(hook.Body, &d); err != nil {
		return sdk.Received{}, sdk.Broken("the webhook is not the JSON that Klaviyo describes")
	}
	if subtle.ConstantTimeCompare([]byte(d.Meta.Webhook), []byte(hook.Header.Get("Klaviyo-Webhook-Id"))) != 1 {
		return sdk.Received{}, sdk.Unauthorized("the webhook's header and body name different webhooks").Because("WRONG_WEBHOOK")
	}
	var out sdk.Received
	for _, each := range d.Data {
		metrics, people := included(each.Payload.Included)
		h := each.Payload.Data
		if h.ID == "" {
			h.ID = each.ExternalID
		}
		who := people[h.Relationships.Profile.Data.ID]
		name := metrics[h.Relationships.Metric.Data.ID]
		if name == "" {
			name = each.Topic
		}
		e := h.event(name, who)
		for _, property := range []string{"email_address", "$email"} { // when no profile came with it
			if address, _ := h.Attributes.Properties[property].(string); address != "" && e.Identifiers["email"] == "" {
				e.Identifiers["email"] = address
			}
		}
		out.Events = append(out.Events, e)
		what, is := decisions[each.Topic]
		if !is || what.granted && h.Attributes.Properties["method"] == "API" { // that was us, or another program
			continue
		}
		if e.Identifiers[namespace(what.channel)] == "" {
			out.Pull = []string{profiles} // who it was stands there
			continue
		}
		out.Consents = append(out.Consents, sdk.ConsentChange{
			Key: h.ID, Identifiers: e.Identifiers, Channel: what.channel, Granted: what.granted, At: h.Attributes.At, Source: what.source, Reason: what.reason,
		})
	}
	return out, nil
}

// sentAt reads the time of a webhook: as HTTP writes it, as RFC 3339, or in seconds.
func sentAt(text string) (time.Time, bool) {
	if t, err := http.ParseTime(text); err == nil {
		return t, true
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), true
	}
	return time.Time{}, false
}
