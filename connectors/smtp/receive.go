package smtp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

const (
	// SignatureHeader is the header of a webhook's signature:
	// "t=SECONDS,v1=HEX", HMAC-SHA-256 of SECONDS "." BODY with the secret.
	SignatureHeader = "X-Headwater-Signature"
	// freshFor is how far the time of a signature may be from ours.
	freshFor = 5 * time.Minute
)

// Sign returns the value of SignatureHeader for a body.
func Sign(secret string, body []byte, at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac(secret, seconds, body))
}

func mac(secret, seconds string, body []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(seconds + ".")) // a hash does not fail
	m.Write(body)
	return m.Sum(nil)
}

// Receive implements sdk.Receiver: a mail that reports on messages, as it came. One that
// reports on nothing of ours is taken, and says nothing.
func (c *connection) Receive(_ context.Context, hook sdk.Webhook) (sdk.Received, error) {
	if err := c.believed(hook); err != nil {
		return sdk.Received{}, err
	}
	return sdk.Received{Deliveries: read(hook.Body, c.ids, hook.At)}, nil
}

// believed checks a webhook's signature.
func (c *connection) believed(hook sdk.Webhook) error {
	if c.config.WebhookSecret == "" {
		return sdk.Unauthorized("the connection takes no reports: give it a webhookSecret").Because("NO_WEBHOOKS")
	}
	bad := sdk.Unauthorized("the webhook is not signed with the connection's secret").Because("BAD_SIGNATURE")
	var seconds, sum string
	for part := range strings.SplitSeq(hook.Header.Get(SignatureHeader), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			seconds = value
		case "v1":
			sum = value
		}
	}
	given, err := hex.DecodeString(sum)
	if err != nil || !hmac.Equal(given, mac(c.config.WebhookSecret, seconds, hook.Body)) {
		return bad
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return bad
	}
	if age := hook.At.Sub(time.Unix(unix, 0)); age > freshFor || age < -freshFor {
		return sdk.Stale("the webhook was signed more than 5 minutes ago, or one of the clocks is wrong")
	}
	return nil
}
