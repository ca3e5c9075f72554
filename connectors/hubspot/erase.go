package hubspot

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Erase implements sdk.Eraser by the vendor's privacy deletion, which cannot be
// undone, and which takes archived contacts too.
func (c *connection) Erase(ctx context.Context, subject sdk.Subject) (sdk.EraseReceipt, error) {
	o, err := c.objectType(ctx, "contacts")
	if err != nil {
		return sdk.EraseReceipt{}, err
	}
	ids := map[string]bool{}
	if id := subject.IDs["contacts"]; numeric(id) {
		ids[id] = true
	}
	for match, value := range map[string]string{"email": subject.Identifiers["email"], c.config.Unique: subject.Identifiers["externalId"]} {
		if p := o.properties[match]; p == nil || !p.Unique || value == "" {
			continue
		}
		found, err := c.find(ctx, o, match, []string{strings.ToLower(value)})
		if err != nil {
			return sdk.EraseReceipt{}, err
		}
		for _, id := range found {
			ids[id] = true
		}
	}
	n := 0
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		known, err := c.forgetContact(ctx, map[string]string{"objectId": id})
		if err != nil {
			return sdk.EraseReceipt{}, err
		}
		if known {
			n++
		}
	}
	// The vendor notes the address too, so that nothing of its own brings it back.
	if email := subject.Identifiers["email"]; email != "" {
		if _, err := c.forgetContact(ctx, map[string]string{"objectId": email, "idProperty": "email"}); err != nil {
			return sdk.EraseReceipt{}, err
		}
	}
	return sdk.EraseReceipt{
		Done: true, Known: n > 0, Erased: time.Now().UTC(),
		Detail: fmt.Sprintf("%d contacts were given to HubSpot's privacy deletion, which removes them with their activities within 30 days. Companies and deals stay.", n),
	}, nil
}

// forgetContact says whether the contact was known.
func (c *connection) forgetContact(ctx context.Context, in map[string]string) (bool, error) {
	err := c.call(ctx, http.MethodPost, "/crm/v3/objects/contacts/gdpr-delete", true, in, nil)
	switch f := sdk.AsFault(err); {
	case err == nil:
		return true, nil
	case f.Kind == sdk.FaultRecordGone:
		return false, nil
	case f.Reason == "FORBIDDEN":
		return false, sdk.Unauthorized("the account does not allow privacy deletion: switch on data privacy settings in HubSpot").Because("FORBIDDEN")
	}
	return false, err
}
