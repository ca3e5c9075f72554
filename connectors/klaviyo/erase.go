package klaviyo

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

const (
	eraseRetry = 30 * time.Second
	askAgain   = time.Hour // after that a request is taken to be lost
	maxAsked   = 10_000
)

// Erase implements sdk.Eraser. The vendor deletes a while after it was asked: the
// receipt is done when it finds nobody any more.
func (c *connection) Erase(ctx context.Context, subject sdk.Subject) (sdk.EraseReceipt, error) {
	found := map[string]bool{}
	wanted := map[string]string{"id": subject.IDs[profiles]}
	for name, value := range identifiers(subject.Identifiers) {
		wanted[name] = value.(string)
	}
	told := false
	for name, value := range wanted {
		if value == "" {
			continue
		}
		told = true
		people, err := c.lookup(ctx, name, []string{value}, false)
		if err != nil {
			return sdk.EraseReceipt{}, err
		}
		for _, p := range people {
			found[p.ID] = true
		}
	}
	if !told {
		return sdk.EraseReceipt{}, sdk.InvalidRecord("", "an erasure needs an id, an e-mail address, a phone number or an external id").Because("NO_IDENTIFIER")
	}
	if len(found) == 0 {
		known := c.forgotten(subject.Key)
		detail := "Klaviyo knew nobody by these identifiers."
		if known {
			detail = "Klaviyo deleted the profile with its events, list memberships and consents."
		}
		return sdk.EraseReceipt{Done: true, Known: known, Detail: detail, Erased: time.Now().UTC()}, nil
	}
	for id := range found {
		if c.wasAsked(subject.Key, id) {
			continue
		}
		// By the vendor's id, so that nobody else who has come to an address is deleted.
		_, err := c.must(c.post(ctx, http.MethodPost, "/api/data-privacy-deletion-jobs", object{"data": object{
			"type": "data-privacy-deletion-job", "attributes": object{"profile": object{"data": object{
				"type": "profile", "id": id, "attributes": object{},
			}}},
		}}, nil))
		if err != nil {
			return sdk.EraseReceipt{}, err
		}
		c.remember(subject.Key, id)
	}
	return sdk.EraseReceipt{
		Known: true, Retry: eraseRetry, Detail: "Klaviyo took the request to delete the profile and works on it.",
	}, nil
}

func (c *connection) wasAsked(key, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, is := c.asked[key+" "+id]
	return is && time.Since(at) < askAgain
}

func (c *connection) remember(key, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) >= maxAsked { // asking once more does no harm
		clear(c.asked)
	}
	c.asked[key+" "+id] = time.Now()
}

// forgotten says whether this process asked for the erasure, and lets go of it.
func (c *connection) forgotten(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := false
	for name := range c.asked {
		if strings.HasPrefix(name, key+" ") {
			was = true
			delete(c.asked, name)
		}
	}
	return was
}
