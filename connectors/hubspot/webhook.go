package hubspot

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// hookAge is how old, or how far ahead, a signature may be.
const hookAge = 5 * time.Minute

// hookEvent is one change that a webhook tells of.
type hookEvent struct {
	ID       json.Number `json:"eventId"`
	Kind     string      `json:"subscriptionType"`
	Portal   int64       `json:"portalId"`
	Object   json.Number `json:"objectId"`
	TypeID   string      `json:"objectTypeId"`
	From     json.Number `json:"fromObjectId"`
	Source   string      `json:"changeSource"`
	SourceID string      `json:"sourceId"`
	At       int64       `json:"occurredAt"` // milliseconds
	Primary  json.Number `json:"primaryObjectId"`
	Merged   []int64     `json:"mergedObjectIds"`
}

// Receive implements sdk.Receiver. A webhook names what changed and holds no whole
// record: changes are pulled, deletions and merges told at once. What we changed
// ourselves is passed over.
func (c *connection) Receive(ctx context.Context, hook sdk.Webhook) (sdk.Received, error) {
	if c.config.ClientSecret == "" {
		return sdk.Received{}, sdk.InvalidConfig("clientSecret", "write the app's client secret: HubSpot signs webhooks with it")
	}
	now := hook.At
	if now.IsZero() {
		now = time.Now()
	}
	if err := c.signed(hook, now); err != nil {
		return sdk.Received{}, err
	}
	var events []hookEvent
	if json.Unmarshal(hook.Body, &events) != nil {
		return sdk.Received{}, sdk.InvalidRecord("", "the webhook is signed but not of the form that is documented")
	}
	c.mu.Lock()
	known := c.account
	c.mu.Unlock()
	var out sdk.Received
	for i := range events {
		e := &events[i]
		// One app serves many accounts; what is of another is not ours to know.
		if known != nil && e.Portal != known.Portal {
			continue
		}
		c.take(ctx, e, &out)
	}
	return out, nil
}

// signed checks the signature of version 3 over the bytes as they came.
func (c *connection) signed(hook sdk.Webhook, now time.Time) error {
	given, err := base64.StdEncoding.DecodeString(hook.Header.Get("X-HubSpot-Signature-v3"))
	stamp := hook.Header.Get("X-HubSpot-Request-Timestamp")
	ms, bad := strconv.ParseInt(stamp, 10, 64)
	if err != nil || bad != nil || len(given) == 0 {
		return sdk.Unauthorized("the webhook has no signature of version 3").Because("NO_SIGNATURE")
	}
	// The vendor signs the address with some characters unescaped.
	valid := false
	for _, address := range []string{hook.URL, unescaped.Replace(hook.URL)} {
		mac := hmac.New(sha256.New, []byte(c.config.ClientSecret))
		mac.Write([]byte(strings.ToUpper(hook.Method) + address))
		mac.Write(hook.Body)
		mac.Write([]byte(stamp))
		valid = hmac.Equal(given, mac.Sum(nil)) || valid
	}
	if !valid {
		return sdk.Unauthorized("the webhook's signature is false: the client secret may be another app's, or the address that HubSpot calls is not the one it is reached by here").Because("BAD_SIGNATURE")
	}
	if age := now.Sub(time.UnixMilli(ms)); age > hookAge || age < -hookAge {
		return sdk.Stale("the webhook was signed more than five minutes ago, or the clock of this server is wrong")
	}
	return nil
}

var unescaped = strings.NewReplacer("%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'",
	"%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";")

// take turns an event into what the host is told.
func (c *connection) take(ctx context.Context, e *hookEvent, out *sdk.Received) {
	kind, what, _ := strings.Cut(e.Kind, ".")
	stream := c.streamFor(ctx, kind, e.TypeID)
	if stream == "" {
		return
	}
	at := time.UnixMilli(e.At).UTC()
	gone := func(id, into string) {
		if numeric(id) {
			out.Records = append(out.Records, sdk.StreamRecord{
				Key: "hubspot-" + e.ID.String() + "-" + id, Stream: stream, Record: sdk.Record{ID: id, Deleted: true, Merged: into, UpdatedAt: at},
			})
		}
	}
	switch what {
	case "deletion", "privacyDeletion":
		gone(e.Object.String(), "")
		return
	case "merge":
		for _, id := range e.Merged {
			if text := strconv.FormatInt(id, 10); text != e.Primary.String() {
				gone(text, e.Primary.String())
			}
		}
	}
	if e.Source == "INTEGRATION" && c.config.AppID != "" && e.SourceID == c.config.AppID {
		return
	}
	if !slices.Contains(out.Pull, stream) {
		out.Pull = append(out.Pull, stream)
	}
}

// streamFor is the stream of an event; empty when it is none of ours.
func (c *connection) streamFor(ctx context.Context, kind, typeID string) string {
	switch kind + typeID {
	case "contact", "object0-1":
		return "contacts"
	case "company", "object0-2":
		return "companies"
	case "deal", "object0-3":
		return "deals"
	}
	if kind != "object" {
		return ""
	}
	customs, err := c.customTypes(ctx, false)
	if err != nil {
		return "" // the next pull finds the change without us
	}
	for _, o := range customs {
		if o.ID == typeID {
			return o.Stream
		}
	}
	return ""
}
